package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ssmrun/ssmrun/internal/fleet"
	"github.com/ssmrun/ssmrun/internal/hclspec"
	"github.com/ssmrun/ssmrun/internal/lab"
	"github.com/ssmrun/ssmrun/internal/plan"
)

// planning is what every command that makes a plan is told by its flags.
type planning struct {
	aws    awsFlags
	inputs inputs
	only   []string
	lab    string // -lab: "" is none, labBeside the files beside the runbook, else a file
}

// labBeside is -lab without a file.
const labBeside = "*.lab.hcl"

func (p *planning) register(cmd *cobra.Command) {
	p.aws.register(cmd)
	p.inputs.register(cmd)
	cmd.Flags().StringArrayVar(&p.only, "target", nil, "plan only `ADDR|ID`: a session, with what it depends on, a job, or a target's id or name; may be repeated")
	cmd.Flags().StringVar(&p.lab, "lab", "", "run on a lab on this machine, made of the *.lab.hcl files beside the runbook or of `FILE`")
	cmd.Flags().Lookup("lab").NoOptDefVal = labBeside
}

// prepared is a plan with what is needed to run it.
type prepared struct {
	dir     string
	runbook *hclspec.Runbook
	plan    *plan.Plan
	found   []plan.Found
	fleet   *fleet.Fleet
	lab     *lab.Lab // nil when AWS is talked to

	secrets []string // sensitive texts among variables and locals

	// startRate, when not 0, stands for every provider's start_rate.
	startRate float64
}

// close ends the lab, if there is one, and drops idle connections.
func (p *prepared) close() {
	if p.fleet != nil {
		p.fleet.Close()
	}
	if p.lab != nil {
		p.lab.Close()
	}
}

// prepare goes from a directory to a plan: it reads the runbook and the values,
// finds the targets and evaluates. What is wrong with the runbook is printed,
// and then the error is silent. The caller closes what it gets.
func (p *planning) prepare(ctx context.Context, u *ui, dir string) (*prepared, error) {
	out, eval, err := p.find(ctx, u, dir)
	if err != nil {
		return nil, err
	}
	docs, err := out.fleet.Documents(ctx, eval.Documents())
	if err != nil {
		out.close()
		return nil, fmt.Errorf("read documents: %w", err)
	}
	eval.Target(p.only)
	made, diags := eval.Plan(out.found, docs)
	if u.json || diags.HasErrors() { // else the plan that is shown has the warnings
		if err := u.diagnose(diags, out.runbook.Files); err != nil {
			out.close()
			return nil, err
		}
	}
	out.plan, out.secrets = made, eval.Secrets()
	return out, nil
}

// find goes as far as the targets.
func (p *planning) find(ctx context.Context, u *ui, dir string) (*prepared, *plan.Evaluator, error) {
	rb, diags := hclspec.LoadRunbook(dir)
	if err := u.diagnose(diags, rb.Files); err != nil {
		return nil, nil, err
	}
	if err := checkVersion(rb); err != nil {
		return nil, nil, err
	}
	if err := p.inputs.askMissing(u, rb, dir); err != nil {
		return nil, nil, err
	}
	values, diags := hclspec.LoadValues(rb, dir, p.inputs.flags, os.Environ())
	if err := u.diagnose(diags, rb.Files); err != nil {
		return nil, nil, err
	}
	eval, diags := plan.New(rb, values)
	if err := u.diagnose(diags, rb.Files); err != nil {
		return nil, nil, err
	}
	selections, diags := eval.Selections()
	if err := u.diagnose(diags, rb.Files); err != nil {
		return nil, nil, err
	}
	out := &prepared{dir: dir, runbook: rb}
	if err := p.connect(ctx, u, out, eval.Providers()); err != nil {
		out.close()
		return nil, nil, err
	}
	var err error
	if out.found, err = out.fleet.Find(ctx, selections); err != nil {
		out.close()
		return nil, nil, fmt.Errorf("find targets: %w", err)
	}
	return out, eval, nil
}

// connect gets ready to talk to AWS, or to a lab that it starts.
func (p *planning) connect(ctx context.Context, u *ui, out *prepared, providers []plan.Provider) error {
	opts := p.aws.options()
	if p.lab != "" {
		if err := p.startLab(ctx, u, out, &opts); err != nil {
			return err
		}
	}
	out.startRate = opts.StartRate
	out.fleet = fleet.New(opts)
	return out.fleet.Open(ctx, providers)
}

// startLab starts the lab and points opts at it and at nothing else.
func (p *planning) startLab(ctx context.Context, u *ui, out *prepared, opts *fleet.Options) error {
	spec, diags := loadLab(p.lab, out.dir)
	if err := u.diagnose(diags, nil); err != nil {
		return err
	}
	var err error
	// The lab outlives ctx: sessions are terminated after an interrupt.
	if out.lab, err = lab.Start(context.WithoutCancel(ctx), spec, lab.Options{Logger: opts.Logger}); err != nil {
		return fmt.Errorf("start the lab: %w", err)
	}
	fmt.Fprintln(u.stderr, lab.Notice)
	id, secret := out.lab.Credentials()
	opts.Isolated = true
	opts.EndpointURL = out.lab.Endpoint()
	opts.Region = out.lab.Region()
	opts.Static = &fleet.Credentials{AccessKeyID: id, SecretAccessKey: fleet.NewSecret(secret), AccountID: out.lab.AccountID()}
	opts.StartRate = math.Inf(1)
	if rate := spec.Faults.StartRate; rate > 0 {
		opts.StartRate = rate
	}
	return nil
}

func loadLab(flag, dir string) (*hclspec.Lab, hclspec.Diagnostics) {
	if flag == labBeside {
		return hclspec.LoadLab(dir)
	}
	return hclspec.LoadLabFile(flag)
}

// directory is the runbook directory that a command was given.
func directory(args []string) (string, error) {
	if len(args) == 0 {
		return ".", nil
	}
	if info, err := os.Stat(args[0]); err == nil && !info.IsDir() {
		if strings.HasSuffix(args[0], ".lab.hcl") {
			return "", errors.New(args[0] + " is a lab file: write -lab=" + args[0])
		}
		return "", errors.New(args[0] + " is a file: name the directory of a runbook")
	}
	return args[0], nil
}
