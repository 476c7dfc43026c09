# The twin of bulk.pl in python 3. No single quote may be in this text.
import os,sys
try:
 import select,zlib,base64
except ImportError:
 os._exit(97)
try:
 import fcntl
 for f in 0,1: fcntl.fcntl(f,1031,1048576)
except Exception: pass
N,n,ty,more,seq,sum,len0,mark=sys.argv[1:]
seq,sum,len0,mark=int(seq),int(sum),int(len0),mark.encode()
buf,tail,skip,end=b"",b"",0,False
def out(m):
 while m: m=m[os.write(1,m):]
def read():
 global buf,end
 d=os.read(0,131072)
 buf+=d
 end=not d
def frame():
 global seq,sum,len0,skip,buf
 e,p="b",buf
 if skip: skip-=1
 else:
  z=zlib.compress(buf,1)
  if len(z)<.9*len(buf): e,p="z",z
  else: skip=8
 c=zlib.crc32(buf)&0xffffffff
 p=base64.b64encode(p)
 h=("@%s %s %s "%(N,more,n)).encode()
 o=0
 while len(p)-o>3900:
  out(h+p[o:o+3900]+b"\n")
  o+=3900
 out(("@%s %s %s %d %s %d r%08x "%(N,ty,n,seq,e,len(buf),c)).encode()+p[o:]+b"\n")
 seq+=1
 len0+=len(buf)
 sum=(sum*3+c)&0xffffffff
 buf=b""
while not end:
 read()
 while not end and len(buf)<98304 and select.select([0],[],[],.01)[0]: read()
 tail+=buf
 if mark in tail: end=True
 tail=tail[-len(mark):]
 if buf: frame()
out(("@%s T %s %s %d %d %d\n"%(N,n,ty,seq,len0,sum)).encode())
