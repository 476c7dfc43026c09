# The step server in python 3 (3.3 and later): the twin of server.pl, the same
# wire, the same rules. `b` has what the bootstrap has read beyond this text.
import os,sys,time,signal,select,fcntl,errno,binascii,base64,struct,termios
try:
 import zlib
except ImportError:
 zlib=None
N=None
buf=b
up={}
cur=None
acks=0
r=None
late=[]
bye=[]
path=os.environ.get('PATH','/usr/bin:/bin')
null=os.open('/dev/null',os.O_RDONLY)
if hasattr(os,'set_blocking'):
 def nonblock(f): os.set_blocking(f,False); return f
else:
 def nonblock(f): fcntl.fcntl(f,fcntl.F_SETFL,fcntl.fcntl(f,fcntl.F_GETFL)|os.O_NONBLOCK); return f
wr,ww=os.pipe()
nonblock(wr)
nonblock(ww)
signal.set_wakeup_fd(ww)
SIGS=[signal.SIGINT,signal.SIGQUIT,signal.SIGCHLD,signal.SIGPIPE,signal.SIGTSTP,signal.SIGTTOU,signal.SIGTTIN]
for s in SIGS:
 signal.signal(s,lambda *a:None)
for s in (signal.SIGHUP,signal.SIGTERM):
 signal.signal(s,lambda *a:bye.append(1))
now=time.time
def kill(s,p):
 try:
  os.kill(p,s)
  return True
 except OSError:
  return False
def quit(n):
 if r:
  stop(signal.SIGTERM)
  time.sleep(.5)
  kill(signal.SIGKILL,-r['pid'])
 os._exit(n)
def out(m):
 while m:
  try:
   m=m[os.write(1,m):]
  except OSError:
   quit(1)
  if bye: quit(1)
# The encoding for a session that passes bytes: only those are escaped that a
# terminal, the agent or a line of the wire would change.
RAW=[(bytes([c]),b'='+bytes([c^64])) for c in (61,0,9,10,13,17,19,27,239)]
eight=0
def raw(p):
 for a,b in RAW: p=p.replace(a,b)
 return p
def say(s): out(('@%s %s\n'%(N,s)).encode())
class Stream:
 def __init__(s,ty,fd):
  s.ty,s.fd,s.buf=ty,nonblock(fd),b''
  s.seq=s.len=s.sum=s.skip=s.at=0
 def take(s):
  if s.fd is None: return 0
  try:
   d=os.read(s.fd,65536)
  except OSError as e:
   if e.errno!=errno.EIO: return 0
   d=b''
  if not d:
   os.close(s.fd)
   s.fd=None
   return 0
  if not s.buf: s.at=now()
  s.buf+=d
  return len(d)
 def drain(s,most):
  t=0
  while t<most:
   n=s.take()
   if not n: break
   t+=n
   while s.ty and len(s.buf)>49152: s.frame()
 def frame(s):
  d=s.buf[:49152]
  s.buf=s.buf[49152:]
  e,p='b',d
  if zlib and len(d)>=512:
   if s.skip: s.skip-=1
   else:
    q=zlib.compress(d,1)
    if len(q)<.9*len(d): e,p='z',q
    else: s.skip=8
  c=binascii.crc32(d)&0xffffffff
  last=4000
  if eight and len(p)>=512: last,e,p=0,'y' if e=='z' else 'q',raw(p)
  else: p=base64.b64encode(p)
  m,o=[],0
  h=('@%s %s %s '%(N,s.ty.lower(),r['n'])).encode()
  while len(p)-o>last:
   m.append(h+p[o:o+4000]+b'\n')
   o+=4000
  m.append(('@%s %s %s %d %s %d r%08x '%(N,s.ty,r['n'],s.seq,e,len(d),c)).encode()+p[o:]+b'\n')
  out(b''.join(m))
  s.seq+=1
  s.len+=len(d)
  s.sum=(s.sum*3+c)&0xffffffff
# A pty: its master, its slave and the slave's name. What a program writes
# arrives as it is: output is not processed. The rest is as the kernel makes it.
def terminal(rows,cols):
 m,s=os.openpty()
 fcntl.ioctl(s,termios.TIOCSWINSZ,struct.pack('HHHH',rows,cols,0,0))
 a=termios.tcgetattr(s)
 a[1]&=~termios.OPOST
 termios.tcsetattr(s,termios.TCSANOW,a)
 return m,s,os.ttyname(s)
def child(cmd,p,tty):
 try:
  os.setsid()
  signal.set_wakeup_fd(-1)
  for s in SIGS+[signal.SIGHUP,signal.SIGTERM]: signal.signal(s,signal.SIG_DFL)
  src=[p[2][0] if 'I' in up or 'L' in up else null,p[3][1],p[4][1],p[1][0],p[0][0],p[5][1]]
  if tty:
   c=os.open(tty[2],os.O_RDWR)
   try:
    fcntl.ioctl(c,termios.TIOCSCTTY,0)
   except OSError:
    pass
   src[:3]=[p[2][0] if 'I' in up else c,c,c]
  # Above all that dup2 is going to write to.
  src=[fcntl.fcntl(f,fcntl.F_DUPFD,64) for f in src]
  for f,t in zip(src,(0,1,2,8,9,57)): os.dup2(f,t)
  for f in range(3,128):
   if f not in (8,9,57):
    try: os.close(f)
    except OSError: pass
  # By the carried PATH, and where that has been emptied by the server's own.
  dirs=[] if '/' in cmd[0] else path.split(':')
  no=None
  for c in [cmd[0]]+['%s/%s'%(d,cmd[0]) for d in dirs]:
   try:
    os.execvp(c,cmd+['-c','. /dev/fd/9',cmd[0]])
   except OSError as e:
    no=no or e
  os.write(2,('ssmrun: %s: %s\n'%(cmd[0],no.strerror)).encode())
  os._exit(127 if no.errno==errno.ENOENT else 126)
 finally:
  os._exit(126)
def start(n,cmd):
 global r,up
 for k in ('W','S'):
  if not up.get(k,{}).get('ok'): return say('F %s upload'%n)
 if 'I' in up and not up['I'].get('ok'): return say('F %s upload'%n)
 try:
  tty=None
  if up.get('L',[''])[0]=='t': tty=terminal(int(up['L'][1]),int(up['L'][2]))
 except (OSError,termios.error) as e:
  return say('F %s there is no terminal for it: %s'%(n,e))
 try:
  p=[os.pipe() for _ in range(6)]
  t=now()
  pid=os.fork()
 except OSError as e:
  return say('F %s fork: %s'%(n,e.strerror))
 if pid==0: child(cmd,p,tty)
 feed=[]
 for i,k in enumerate('WSI'):
  os.close(p[i][0])
  d=up.get(k,{}).get('d',b'')
  if d: feed.append([nonblock(p[i][1]),d,0])
  elif k!='I' or up.get('L',[''])[0]!='p': os.close(p[i][1])
 for i in (3,4,5): os.close(p[i][1])
 r={'n':n,'pid':pid,'t':t,'feed':feed,'O':Stream('O',p[3][0]),'E':Stream('E',p[4][0]),'S':Stream('',p[5][0]),'k':0,'tty':None,'live':None}
 # The slave stays open here, so that the master is not at its end before the
 # step is: a script may close all that it has.
 if tty:
  os.close(r['E'].fd)
  os.close(r['O'].fd)
  r['E'].fd,r['O'].fd,r['tty'],r['slave']=None,nonblock(tty[0]),tty[0],tty[1]
 # Data, of which so much was written, in lines of these sizes; lines taken; more may come.
 if 'L' in up: r['live']={'fd':tty[0] if tty else nonblock(p[2][1]),'d':b'','o':0,'z':[],'n':0,'open':1}
 up={}
 say('B %s %d'%(n,pid))
def save():
 d=r['S'].buf
 end=b'_SSMRUN_END\n'
 if not d.endswith(end): return 0
 e={}
 for l in d[:-len(end)].split(b'\0'):
  k,q,v=l.partition(b'=')
  if q and k: e[k]=v
 w=e.pop(b'_SSMRUN_PWD',None)
 if w is None: return 0
 try:
  os.chdir(w)
 except OSError:
  return 0
 for k in (b'_',b'OLDPWD',b'SHLVL'): e.pop(k,None)
 os.environb.clear()
 os.environb.update(e)
 return 1
# One that is only waiting to be reaped does not count.
def left():
 if not kill(0,-r['pid']): return False
 try:
  ps=[p for p in os.listdir('/proc') if p.isdigit()]
 except OSError:
  return True
 for p in ps:
  try:
   a=open('/proc/%s/stat'%p,'rb').read().rsplit(b') ',1)[1].split()
  except (OSError,IndexError):
   continue
  if a[0]!=b'Z' and int(a[2])==r['pid']: return True
 return False
def finish(st):
 global r
 us=int((now()-r['t'])*1e6)
 esc=held=0
 O,E,S=r['O'],r['E'],r['S']
 if r['tty'] is not None and r['slave'] is not None: os.close(r['slave'])
 for s in (O,E,S): s.drain(131072)
 # The kernel has just hung up on what is left in the terminal's foreground.
 for i in range(10):
  if r['tty'] is None or O.fd is None: break
  time.sleep(.01)
  O.drain(131072)
 if r['live'] and r['tty'] is None and r['live']['fd'] is not None: os.close(r['live']['fd'])
 if r['k']:
  kill(signal.SIGKILL,-r['pid'])
  for i in range(10):
   if O.fd is None and E.fd is None and not left(): break
   time.sleep(.02)
   O.drain(131072)
   E.drain(131072)
  if left(): esc=1
 for s in (O,E):
  while s.buf: s.frame()
  say('T %s %s %d %d %d'%(r['n'],s.ty,s.seq,s.len,s.sum))
  if s.fd is not None:
   held=1
   if r['tty'] is None: late.append(s.fd)
   else: os.close(s.fd)
 while len(late)>32: os.close(late.pop(0))
 if S.fd is not None: os.close(S.fd)
 for f in r['feed']: os.close(f[0])
 if r['k'] and held: esc=1
 sig=os.WTERMSIG(st) if os.WIFSIGNALED(st) else 0
 rc=128+sig if sig else os.WEXITSTATUS(st)
 m='X %s %d %d %d %d %d %d %d'%(r['n'],rc,sig,save(),us,1 if r['k'] else 0,esc,held)
 r=None
 say(m)
# taken says how many lines of live input the step has got.
def taken():
 l=r['live']
 if not l: return
 n=l['n']
 while l['z'] and l['z'][0]<=l['o']:
  z=l['z'].pop(0)
  l['d']=l['d'][z:]
  l['o']-=z
  l['n']+=1
 if r['tty'] is None and l['fd'] is not None and not l['open'] and not l['z']:
  os.close(l['fd'])
  l['fd']=None
 if l['n']>n: say('I %s %d'%(r['n'],l['n']))
# Input for the step that is running; none at all is its end.
def live(n,d=''):
 l=r and r['n']==n and r['live']
 if not l or not l['open']: return
 if not d: l['open']=0
 d=base64.b64decode(d)
 l['d']+=d
 l['z'].append(len(d))
# stop signals the step's process group and, where it has a terminal, that in the
# foreground there. What may not be signalled, such as another user's sudo, is
# interrupted by the terminal, and then hung up on.
def stop(g):
 ok=kill(g,-r['pid'])
 O=r['O']
 if r['tty'] is None or O.fd is None: return
 try:
  fg=os.tcgetpgrp(O.fd)
 except OSError:
  fg=0
 if fg>0 and fg!=r['pid']: ok=kill(g,-fg)
 if ok: return
 try:
  if g==signal.SIGINT: return os.write(O.fd,b'\x03')
 except OSError:
  return
 os.close(r['slave'])
 os.close(O.fd)
 r['slave']=O.fd=r['live']['fd']=None
def command(l):
 global up,cur,acks,eight
 a=l.split(' ')
 v=a.pop(0)
 if v=='D':
  if cur: up[cur]['l'].append(base64.b64decode(a[0]))
  acks+=1
  if acks%16==0: say('A %d'%acks)
 elif v=='P':
  if a[0]=='W': up={}
  cur=a[0]
  up[cur]={'l':[]}
 elif v=='E':
  u=up.get(a[0],{'l':[]})
  u['d']=b''.join(u['l'])
  u['ok']=len(u['d'])==int(a[1]) and binascii.crc32(u['d'])&0xffffffff==int(a[2],16)
  cur=None
 elif v=='X':
  if r: say('F %s busy'%a[0])
  else: start(a[0],a[1:])
 elif v=='K':
  if r and r['n']==a[0]:
   r['k']=1
   stop(getattr(signal,'SIG'+a[1]))
 elif v=='I': live(*a)
 elif v=='L': up['L']=a
 elif v=='8': eight=1
 elif v=='p': say('p '+a[0])
 elif v=='Q': quit(0)
def input():
 global buf,N
 while b'\n' in buf:
  l,buf=buf.split(b'\n',1)
  l=l.rstrip(b'\r').decode('ascii','replace')
  if N is None:
   if not l.startswith('#N '): continue
   N=l.split(' ')[1]
   out(('@%s 8 '%N).encode()+raw(bytes(range(256)))+b' 8=8\n')
   say('R v=1 server=python3 pid=%d zlib=%d'%(os.getpid(),1 if zlib else 0))
  elif l.startswith('#%s '%N): command(l[len(N)+2:])
input()
while 1:
 if bye: quit(1)
 rd,wt,wait=[0,wr]+late,[],None
 if r:
  wait=1
  rd+=[r[k].fd for k in 'OES' if r[k].fd is not None]
  if r['O'].buf or r['E'].buf: wait=.01
  wt=[f[0] for f in r['feed']]
  l=r['live']
  if l and l['fd'] is not None and l['o']<len(l['d']): wt.append(l['fd'])
 try:
  rd,wt,_=select.select(rd,wt,[],wait)
 except (OSError,select.error):
  continue
 if wr in rd: os.read(wr,4096)
 if 0 in rd:
  try:
   d=os.read(0,65536)
  except OSError:
   d=b''
  if not d: quit(1)
  buf+=d
  input()
 for f in [f for f in late if f in rd]:
  try:
   d=os.read(f,65536)
  except OSError:
   d=b''
  if not d:
   late.remove(f)
   os.close(f)
 if not r: continue
 for f in r['feed'][:]:
  if f[0] in wt:
   try:
    f[2]+=os.write(f[0],f[1][f[2]:f[2]+65536])
   except OSError as e:
    if e.errno==errno.EPIPE: f[2]=len(f[1])
   if f[2]>=len(f[1]):
    os.close(f[0])
    r['feed'].remove(f)
 l=r['live']
 if l:
  if l['fd'] in wt and l['fd'] is not None:
   try:
    l['o']+=os.write(l['fd'],l['d'][l['o']:l['o']+65536])
   except OSError as e:
    if e.errno==errno.EPIPE: l['o']=len(l['d'])
  taken()
 for k in 'OES':
  if r[k].fd in rd: r[k].take()
 t=now()
 for s in (r['O'],r['E']):
  while len(s.buf)>=16384: s.frame()
  if s.buf and (not rd and not wt or t-s.at>=.01): s.frame()
 p,st=os.waitpid(r['pid'],os.WNOHANG)
 if p: finish(st)
