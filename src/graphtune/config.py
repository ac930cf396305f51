"""How a model is trained: one frozen record, saved in full with every run."""

from __future__ import annotations

from dataclasses import dataclass, fields

from graphtune.check import bad, chance, integer, number, one_of

OPTIMIZERS = ("adamw", "adagrad", "sgd")
TABLE_UPDATES = ("auto", "dense", "rows")
SCHEDULES = ("constant", "cosine", "exponential", "linear", "plateau", "step")
AVERAGES = ("none", "ema", "swa")
PRECISIONS = ("fp32", "bf16", "fp16", "fp8")
SAVE_EVERY = 300.0
"""Seconds between checkpoints within an epoch, unless told otherwise."""


@dataclass(frozen=True)
class TrainConfig:
    """Every knob of the engine.

    Attributes:
        epochs: passes over the sampler.
        batch_size: examples a step (walks a step for walk models).
        lr: the peak learning rate.
        lr_table, lr_encoder, lr_head: rates for embedding tables, other encoder and scorer weights, and task heads;
            `lr` where None, 0 freezes.
        layer_decay: the rate is multiplied by it for each layer below the top, which are heads and scorer.
        freeze: names of weights that stay as they are, or of modules, separated by commas; "*" stands for any text:
            "encoder.table,encoder.convolutions.0". No gradient, decay or moment is kept for them.
        unfreeze: gradual unfreezing (Howard & Ruder, 2018): a layer with d layers above it learns from the share
            d * unfreeze of the steps on; 0 trains all from the first.
        optimizer: "adamw", "adagrad" or "sgd". Skip-gram, LINE and BPR have kernels of their own for plain "sgd" on the
            CPU: they step example by example, so `lr` is that of word2vec; any penalty, clipping or freezing turns them
            off, but for `l2` that of BPR.
        table_updates: "dense" steps on whole tables. "rows" only on the rows that a batch touches, so that a step costs
            those alone: moments and decay of the others rest (lazy Adam, as `torch.optim.SparseAdam`); for encoders
            that read rows of tables alone, with objectives that do not read all nodes, without l2_sp. "auto" takes
            "rows" for tables of a million rows and more where that is so, without decay of tables or "ema"; with
            "adagrad" and "sgd", whose steps are the same either way, against negatives of triples from 4 rows an
            example of a batch on.
        weight_decay: decay of encoder and head weights (biases and norms are left alone); decoupled with "adamw".
        weight_decay_table: decay of embedding tables.
        l2_sp: decoupled pull of encoder and scorer back to the weights that training starts from (L2-SP: Li et al.,
            2018), in place of a decay towards 0.
        l1, l2, n3: penalties on the embedding rows that a batch touches, a row and example:
            l1 * |z|_1, l2 * |z|_2^2, n3 * |z|_3^3 (N3: Lacroix et al., 2018; of real rows this is L3).
        curriculum: share of each batch that counts at first, the easiest by their losses, which rises to all of it by
            the middle of the run (self-paced learning: Kumar et al., 2010); 0 for all from the first.
        row_dropout: chance of each number of the embedding rows that a loss reads to be 0, the others scaled up; apart
            from the dropout that a GNN or a head has of its own. Penalties see the rows as they are then.
        edge_dropout: chance of each edge to be left out of a step, for encoders that pass messages: GCN, GraphSAGE,
            GAT, LightGCN, RGCN and CompGCN (DropEdge: Rong et al., 2020).
        node_dropout: chance of each node to lose all its edges in a step, for the same encoders; it still sees itself
            (GraphCL: You et al., 2020).
        feature_dropout: chance of each column of a GNN's features to be 0 in a step, the others scaled up (GRACE: Zhu
            et al., 2020).
        edge_add: edges between similar nodes that messages pass over too, as a share of the edges, drawn anew each step
            from the pairs nearest by cosine of the features; without features, of the embeddings at the start. All
            pairs are compared, once.
        subgraph: messages pass only among the nodes on random walks of this many steps from the nodes of the batch, as
            in GraphSAINT (Zeng et al., 2020); 0 for the whole graph.
        mixup: alpha of Beta(alpha, alpha), of which comes how much of each example is its own when embeddings and
            labels are mixed before a head of nodes (Zhang et al., 2018; Wang et al., 2021); 0 for none.
        swap: chance of an example to have one node, its source or target, and of a walk's node, to be replaced by a
            similar node of its kind: the graph's synonyms, which need a model that has learned something. An example
            made so may be wrong, or be an edge that is held out.
        swap_nearest: how many nodes are similar enough, by cosine of the embeddings at the start; all pairs are
            compared, once.
        swap_weight: weight of the examples changed so beside 1 for the others; walks have none.
        schedule: "constant"; "cosine", "exponential" or "linear", from `lr` to `lr_end` * `lr`; "step" and "plateau",
            which fall by a factor now and then, never below `lr_end` * `lr`.
        lr_end: the last rate as a share of `lr` (exponential needs more than 0).
        warmup: share of all steps over which the rate climbs to `lr`.
        cycles: how often "cosine" falls, each time from `lr` anew (SGDR: Loshchilov & Hutter, 2017).
        cycle_growth: how many times as long as the one before each cycle is.
        step_every, step_factor: "step" multiplies the rate by `step_factor` after each such share of the run.
        plateau_patience, plateau_factor: "plateau" multiplies the rate by `plateau_factor` after so many validations in
            a row without gain.
        clip_norm: largest norm of the whole gradient; 0 for none.
        clip_value: largest magnitude of each number of the gradient; 0 for none.
        clip_rows: largest norm of each row of the gradients of embedding tables; 0 for none. Of several clippings
            numbers come first, then rows, then the whole.
        accumulate: parts in which each step is made, one after another, to save memory; loss and gradient are those of
            the whole batch. Only what examples of a batch share among them, as batch norm does, they then share within
            a part. Where memory runs out, parts are halved until they fit; `batch_size` stays.
        eval_every: epochs between validations.
        patience: validations without gain before stopping; 0 never stops early.
        lora_rank: train the encoder only through factors of this rank on its linear layers (LoRA: Hu et al., 2021),
            merged into them at the end; 0 for none.
        lora_alpha: the factors' product counts lora_alpha / lora_rank times.
        lora_targets: names of the linear layers in the encoder, as patterns like those of `freeze`.
        adapter: train the encoder only through bottlenecks of this width behind its layers, which stay in the model
            (Houlsby et al., 2019); 0 for none.
        average: "none"; "ema", the exponential mean of the weights of all steps; or "swa", the mean of those at the
            ends of epochs (Izmailov et al., 2018). Validations and the result have the mean in place of the weights.
            Either holds one more copy of all weights, and reads and writes it: "ema" each step, "swa" each epoch.
        ema_decay: share that the exponential mean keeps a step; less in the first steps, (1 + n) / (10 + n) after n.
        swa_start: share of the run after which "swa" begins.
        precision: "fp32"; "bf16" or "fp16" autocast, the latter with a scaled loss; or "fp8", products of matrices in
            eight bits (forward e4m3, gradients e5m2, a scale a matrix). Weights are float32 in all.
        deterministic: one thread in the lock-free kernels and torch's deterministic algorithms.
        device: "auto", "cpu", "cuda" or a torch device name.
        seed: of every random choice.
    """

    epochs: int = 100
    batch_size: int = 1024
    lr: float = 0.01
    lr_table: float | None = None
    lr_encoder: float | None = None
    lr_head: float | None = None
    layer_decay: float = 1.0
    freeze: str = ""
    unfreeze: float = 0.0
    optimizer: str = "adamw"
    table_updates: str = "auto"
    weight_decay: float = 0.0
    weight_decay_table: float = 0.0
    l2_sp: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    n3: float = 0.0
    curriculum: float = 0.0
    row_dropout: float = 0.0
    edge_dropout: float = 0.0
    node_dropout: float = 0.0
    feature_dropout: float = 0.0
    edge_add: float = 0.0
    subgraph: int = 0
    mixup: float = 0.0
    swap: float = 0.0
    swap_nearest: int = 5
    swap_weight: float = 1.0
    schedule: str = "constant"
    lr_end: float = 0.0
    warmup: float = 0.0
    cycles: int = 1
    cycle_growth: float = 1.0
    step_every: float = 0.25
    step_factor: float = 0.1
    plateau_patience: int = 3
    plateau_factor: float = 0.5
    clip_norm: float = 0.0
    clip_value: float = 0.0
    clip_rows: float = 0.0
    accumulate: int = 1
    eval_every: int = 1
    patience: int = 10
    lora_rank: int = 0
    lora_alpha: float = 8.0
    lora_targets: str = "*"
    adapter: int = 0
    average: str = "none"
    ema_decay: float = 0.999
    swa_start: float = 0.75
    precision: str = "fp32"
    deterministic: bool = False
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        who = "TrainConfig"
        for name in ("epochs", "batch_size", "accumulate", "eval_every", "plateau_patience"):
            integer(name, who, getattr(self, name), 1)
        integer("seed", who, self.seed, 0, 2**63 - 1)
        for name in ("patience", "subgraph", "lora_rank", "adapter"):
            integer(name, who, getattr(self, name), 0)
        number("lr", who, self.lr, 0, open_low=True)
        for name in ("lr_table", "lr_encoder", "lr_head"):
            if getattr(self, name) is not None:
                number(name, who, getattr(self, name), 0)
        for name in ("weight_decay", "weight_decay_table", "l2_sp", "l1", "l2", "n3", "clip_norm"):
            number(name, who, getattr(self, name), 0)
        for name in ("clip_value", "clip_rows"):
            number(name, who, getattr(self, name), 0)
        number("layer_decay", who, self.layer_decay, 0, 1, open_low=True)
        number("unfreeze", who, self.unfreeze, 0, 1)
        number("lora_alpha", who, self.lora_alpha, 0, open_low=True)
        for name in ("freeze", "lora_targets"):
            if not isinstance(getattr(self, name), str):
                raise bad(name, who, "text: patterns separated by commas", getattr(self, name))
        if self.lora_rank and self.adapter:
            raise bad("adapter", who, "0 where lora_rank is not", self.adapter)
        number("lr_end", who, self.lr_end, 0, 1, open_low=self.schedule == "exponential")
        for name in ("warmup", "step_factor", "plateau_factor", "swa_start", "curriculum"):
            number(name, who, getattr(self, name), 0, 1)
        for name in ("row_dropout", "edge_dropout", "node_dropout", "feature_dropout", "ema_decay"):
            chance(name, who, getattr(self, name))
        for name in ("edge_add", "swap", "swap_weight"):
            number(name, who, getattr(self, name), 0, 1)
        number("mixup", who, self.mixup, 0)
        integer("swap_nearest", who, self.swap_nearest, 1)
        integer("cycles", who, self.cycles, 1, 100)
        number("cycle_growth", who, self.cycle_growth, 1, 100)
        number("step_every", who, self.step_every, 0, 1, open_low=True)
        one_of("optimizer", who, self.optimizer, OPTIMIZERS)
        one_of("table_updates", who, self.table_updates, TABLE_UPDATES)
        one_of("schedule", who, self.schedule, SCHEDULES)
        one_of("average", who, self.average, AVERAGES)
        one_of("precision", who, self.precision, PRECISIONS)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        return tuple(f.name for f in fields(cls))
