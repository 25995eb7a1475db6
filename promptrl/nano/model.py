"""The network of nano in plain PyTorch, and its names in a Hugging Face Llama checkpoint.

Training needs one thing that a Llama does not have: a word without a leading space ("Anna" inside quotes) shares the
embedding row of the word with one (" Anna"), plus an offset and a small row of its own. ``table`` merges the three, and
that merged table is what a checkpoint holds.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn

LAYER_NAMES = {
    "q.weight": "self_attn.q_proj.weight",
    "k.weight": "self_attn.k_proj.weight",
    "v.weight": "self_attn.v_proj.weight",
    "o.weight": "self_attn.o_proj.weight",
    "gate.weight": "mlp.gate_proj.weight",
    "up.weight": "mlp.up_proj.weight",
    "down.weight": "mlp.down_proj.weight",
    "norm1": "input_layernorm.weight",
    "norm2": "post_attention_layernorm.weight",
}


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """The sizes of the network; the defaults are those of the shipped weights."""

    vocabulary: int = 2048
    width: int = 128
    layers: int = 5
    heads: int = 4
    inner: int = 352
    positions: int = 384


class TransformerBlock(nn.Module):
    """One pre-norm Llama layer: rotary self-attention and a gated SiLU network."""

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        width = shape.width
        self.heads = shape.heads
        self.norm1, self.norm2 = nn.Parameter(torch.ones(width)), nn.Parameter(torch.ones(width))
        self.q, self.k, self.v, self.o = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.gate, self.up = (nn.Linear(width, shape.inner, bias=False) for _ in range(2))
        self.down = nn.Linear(shape.inner, width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Apply the layer to ``x`` of shape (batch, time, width)."""
        batch, time, width = x.shape
        h = normalise(x, self.norm1)
        q, k, v = (f(h).view(batch, time, self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        y = F.scaled_dot_product_attention(rotate(q, cos, sin), rotate(k, cos, sin), v, is_causal=True)
        x = x + self.o(y.transpose(1, 2).reshape(batch, time, width))
        h = normalise(x, self.norm2)
        return x + cast(Tensor, self.down(F.silu(self.gate(h)) * self.up(h)))


class Nano(nn.Module):
    """The whole network; ``forward`` gives the last hidden states, the caller multiplies by ``table()``."""

    def __init__(self, shape: NetworkShape, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Parameter(torch.randn(shape.vocabulary, shape.width) * 0.02)
        self.offset = nn.Parameter(torch.randn(shape.width) * 0.02)
        self.blocks = nn.ModuleList(TransformerBlock(shape) for _ in range(shape.layers))
        self.norm = nn.Parameter(torch.ones(shape.width))
        twin, tied = _twins(tokenizer)
        cos, sin = rotary(shape.positions, shape.width // shape.heads)
        for name, buffer in {"twin": twin, "tied": tied, "cos": cos, "sin": sin}.items():
            self.register_buffer(name, buffer, persistent=False)
        self.twin: Tensor
        self.tied: Tensor
        with torch.no_grad():
            self.embedding.mul_(1 - self.tied)
            for name, p in self.blocks.named_parameters():
                if p.ndim == 2:
                    gain = 0.5 / math.sqrt(shape.layers) if name.endswith(("o.weight", "down.weight")) else 0.7
                    nn.init.normal_(p, std=gain / math.sqrt(p.shape[1]))

    def table(self) -> Tensor:
        """Merge the embedding table: shape (vocabulary, width)."""
        return self.embedding + self.tied * (self.embedding[self.twin] + self.offset)

    def forward(self, ids: Tensor, table: Tensor) -> Tensor:
        """Give the last hidden states, shape (batch, time, width), of token ids of shape (batch, time)."""
        x = F.embedding(ids, table)
        cos, sin = cast(Tensor, self.cos)[: ids.shape[1]], cast(Tensor, self.sin)[: ids.shape[1]]
        for block in self.blocks:
            x = block(x, cos, sin)
        return normalise(x, self.norm)

    def load(self, folder: Path) -> None:
        """Take the weights of a Hugging Face folder of the same shape and tokenizer."""
        state = {name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()}
        with torch.no_grad():
            merged = state["model.embed_tokens.weight"]
            rows = self.tied[:, 0] > 0
            self.offset.copy_((merged - merged[self.twin])[rows].mean(0))
            self.embedding.copy_(merged - self.tied * (merged[self.twin] + self.offset))
            self.norm.copy_(state["model.norm.weight"])
            for i, block in enumerate(self.blocks):
                for name, p in block.named_parameters():
                    p.copy_(state[f"model.layers.{i}.{LAYER_NAMES[name]}"])

    def save(self, folder: Path) -> None:
        """Write config.json and model.safetensors (half precision) of a Hugging Face Llama."""
        state = {"model.embed_tokens.weight": self.table(), "model.norm.weight": self.norm}
        for i, block in enumerate(self.blocks):
            for name, p in block.named_parameters():
                state[f"model.layers.{i}.{LAYER_NAMES[name]}"] = p
        folder.mkdir(parents=True, exist_ok=True)
        halves = {name: p.detach().cpu().half().contiguous() for name, p in state.items()}
        save_file(halves, folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "config.json").write_text(json.dumps(self._config(), indent=1) + "\n", encoding="utf-8")

    def _config(self) -> dict[str, object]:
        shape = self.shape
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": shape.vocabulary,
            "hidden_size": shape.width,
            "intermediate_size": shape.inner,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.heads,
            "head_dim": shape.width // shape.heads,
            "max_position_embeddings": shape.positions,
            "rms_norm_eps": 1e-5,
            "rope_theta": 10000.0,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
            "tie_word_embeddings": True,
            "hidden_act": "silu",
            "attention_bias": False,
            "mlp_bias": False,
            "bos_token_id": 1,
            "eos_token_id": 4,
            "pad_token_id": 0,
            "torch_dtype": "float16",
        }


def normalise(x: Tensor, weight: Tensor) -> Tensor:
    """Divide by the root mean square of the last axis and multiply by ``weight`` (RMSNorm, epsilon 1e-5)."""
    return F.rms_norm(x, (x.shape[-1],), weight, 1e-5)


def rotary(positions: int, width: int, base: float = 10000.0) -> tuple[Tensor, Tensor]:
    """Give the cosines and sines of rotary positions, each of shape (positions, width)."""
    frequencies = 1.0 / base ** (torch.arange(0, width, 2).float() / width)
    angles = torch.arange(positions).float()[:, None] * frequencies
    angles = torch.cat([angles, angles], -1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate queries or keys to their positions."""
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


def _twins(tokenizer: Tokenizer) -> tuple[Tensor, Tensor]:
    """Give each token's spaced twin (itself if it has none) and a column that is 1 where there is a twin."""
    vocabulary = tokenizer.get_vocab()
    twin = torch.arange(len(vocabulary))
    for token, i in vocabulary.items():
        if len(token) > 1 and not token.startswith("Ġ") and f"Ġ{token}" in vocabulary:
            twin[i] = vocabulary[f"Ġ{token}"]
    return twin, (twin != torch.arange(len(vocabulary))).float()[:, None]
