package fleet

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// groupAnswerMax bounds what is read of one answer of Resource Groups.
const groupAnswerMax = 4 << 20

// groupMembers returns the ids of a resource group's instances and managed
// instances. Resource Groups is asked without a client of the SDK: it is one
// call of one service.
// https://docs.aws.amazon.com/ARG/latest/APIReference/API_ListGroupResources.html
func (inv *inventory) groupMembers(ctx context.Context, group string) (map[string]bool, error) {
	return inv.groups.get(ctx, group, func() (map[string]bool, error) {
		if err := inv.enter(ctx); err != nil {
			return nil, err
		}
		defer inv.leave()
		members := map[string]bool{}
		for token := ""; ; {
			page, err := inv.p.listGroupResources(ctx, group, token)
			if err != nil {
				return nil, fmt.Errorf("list resource group %q: %w", group, err)
			}
			for _, res := range page.Resources {
				if id, _, ok := nodeOfARN(res.Identifier.ResourceArn); ok {
					members[id] = true
				}
			}
			if token = page.NextToken; token == "" {
				return members, nil
			}
		}
	})
}

type groupPage struct {
	Resources []struct {
		Identifier struct{ ResourceArn string }
	}
	NextToken string
}

func (p *provider) listGroupResources(ctx context.Context, group, token string) (*groupPage, error) {
	body, err := json.Marshal(struct {
		Group      string
		MaxResults int
		NextToken  string `json:",omitempty"`
	}{group, 50, token})
	if err != nil {
		return nil, err
	}
	base := "https://resource-groups." + p.domain
	if p.everything != "" {
		base = p.everything
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(base, "/")+"/list-group-resources", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if !p.unsigned {
		if err := p.sign(ctx, req, body, "resource-groups"); err != nil {
			return nil, err
		}
	}
	resp, err := p.cfg.HTTPClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, groupAnswerMax))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, restError(resp, answer)
	}
	var page groupPage
	if err := json.Unmarshal(answer, &page); err != nil {
		return nil, fmt.Errorf("parse the answer: %w", err)
	}
	return &page, nil
}

// sign signs a request for a service of the provider's region.
func (p *provider) sign(ctx context.Context, req *http.Request, body []byte, service string) error {
	creds, err := p.cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return explainCredentials(err)
	}
	sum := sha256.Sum256(body)
	return v4.NewSigner().SignHTTP(ctx, creds, req, hex.EncodeToString(sum[:]), service, p.Region, time.Now())
}

// restError reads an error as AWS's JSON services over REST send it: the code
// in a header or in the body.
func restError(resp *http.Response, body []byte) error {
	var in struct {
		Code    string `json:"code"`
		Type    string `json:"__type"`
		Message string
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return errors.New(resp.Status)
	}
	code, _, _ := strings.Cut(cmp.Or(resp.Header.Get("X-Amzn-Errortype"), in.Type, in.Code, resp.Status), ":")
	return &APIError{Code: code, Message: strings.TrimSuffix(in.Message, "."), Hint: hints[code], RequestID: resp.Header.Get("X-Amzn-Requestid")}
}
