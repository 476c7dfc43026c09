package fleet

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// dataKeySize is what a session's two keys take together.
const dataKeySize = 64

// dataKey asks KMS for a session's data key with the provider's credentials. The
// plaintext is the channel's to overwrite.
func (p *provider) dataKey(ctx context.Context, keyID string, encryptionContext map[string]string) (plaintext, ciphertext []byte, err error) {
	out, err := p.kms.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId:             &keyID,
		NumberOfBytes:     aws.Int32(dataKeySize),
		EncryptionContext: encryptionContext,
	})
	if err != nil {
		return nil, nil, ended(ctx, explain(err))
	}
	return out.Plaintext, out.CiphertextBlob, nil
}
