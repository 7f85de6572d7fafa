"""The PyTorch twin of charlm: the same model, the same optimizer, one thread.

Reads requests as JSON lines, {"width": W, "seconds": S}: trains updates for at least S seconds of processor time and answers
{"ms": milliseconds an update, "parameters": P, "blas": B}. The first answer of a width follows a warm-up. B 12, T 64, 4 layers (3 at
width 512, where the kernel has memory for no more), 4 heads, 65 symbols: pre-LayerNorm, learned positions, tanh-GELU, bias-free matrices, tied head, AdamW with decay on matrices, clip 1.
"""

import json
import math
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

HEADS, CONTEXT, BATCH, SYMBOLS = 4, 64, 12, 65
torch.set_num_threads(1)
torch.set_flush_denormal(True)


def layers_of(width):
    return 4 if width < 512 else 3


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width, bias=False)
        self.expand = nn.Linear(width, 4 * width, bias=False)
        self.contract = nn.Linear(4 * width, width, bias=False)
        self.register_buffer("future", torch.ones(CONTEXT, CONTEXT, dtype=torch.bool).triu(1), persistent=False)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = (part.view(b, t, HEADS, d // HEADS).transpose(1, 2) for part in self.qkv(self.norm1(x)).split(d, 2))
        scores = (q @ k.transpose(2, 3)) * (1 / math.sqrt(d // HEADS))
        mixed = F.softmax(scores.masked_fill(self.future, -math.inf), -1) @ v
        x = x + self.proj(mixed.transpose(1, 2).reshape(b, t, d))
        return x + self.contract(F.gelu(self.expand(self.norm2(x)), approximate="tanh"))


class Model(nn.Module):
    def __init__(self, width):
        super().__init__()
        layers = layers_of(width)
        self.token, self.position = nn.Embedding(SYMBOLS, width), nn.Embedding(CONTEXT, width)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                residual = name.endswith(("proj.weight", "contract.weight"))
                nn.init.normal_(p, 0, 0.02 / math.sqrt(2 * layers) if residual else 0.02)

    def forward(self, inputs, targets):
        x = self.blocks(self.token(inputs) + self.position.weight)
        logits = F.linear(self.norm(x), self.token.weight)
        return F.cross_entropy(logits.view(-1, SYMBOLS), targets.view(-1))


class Training:
    def __init__(self, width):
        torch.manual_seed(1)
        self.text = torch.randint(SYMBOLS, (100_000,))
        self.model = Model(width)
        self.parameters = list(self.model.parameters())
        groups = [
            {"params": [p for p in self.parameters if p.dim() == 2], "weight_decay": 0.1},
            {"params": [p for p in self.parameters if p.dim() < 2], "weight_decay": 0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99), foreach=FOREACH)
        self.updates = 0

    def update(self):
        self.updates += 1
        for group in self.optimizer.param_groups:
            group["lr"] = 1e-3 * min(1, self.updates / 100)
        starts = torch.randint(len(self.text) - CONTEXT, (BATCH, 1)) + torch.arange(CONTEXT)
        loss = self.model(self.text[starts], self.text[starts + 1])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        if not math.isfinite(loss.item()):
            raise ValueError("the twin diverged")

    def timed(self, seconds):
        start, count = time.process_time(), 0
        while count == 0 or time.process_time() - start < seconds:
            self.update()
            count += 1
        return (time.process_time() - start) * 1000 / count


FOREACH = False  # one fused pass per tensor beats lists of tensors on one core
LIBRARIES = open("/proc/self/maps").read() if sys.platform == "linux" else ""
BLAS = next((name for name in ("openblas", "mkl", "blis", "atlas") if name in LIBRARIES), "reference")
trainings = {}
for line in sys.stdin:
    request = json.loads(line)
    width = request["width"]
    if width not in trainings:
        trainings = {width: Training(width)}  # one at a time: memory
        trainings[width].timed(request["seconds"])
    training = trainings[width]
    ms = training.timed(request["seconds"])
    parameters = sum(p.numel() for p in training.parameters)
    print(json.dumps({"ms": ms, "parameters": parameters, "blas": BLAS}), flush=True)
