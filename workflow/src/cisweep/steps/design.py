"""design: sequences edited until the models predict what is wanted, with the evidence for it."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from cisweep.config.base import Name, Strict, TargetName
from cisweep.config.goal_table import ALL, with_goal_table
from cisweep.steps.base import Shown, Step, StepConfig


class DesignGoal(Strict):
    """What one target of one model should become."""

    model: Name
    """Id of the model, which becomes an oracle of the design."""
    target: TargetName
    """Name of its target."""
    kind: Literal["value", "change", "keep", "maximise", "minimise"] = "value"
    """What the prediction should do: reach a value, change by a value from that of the unedited
    window, keep that of the unedited window, or become as large or as small as possible."""
    value: float | None = None
    """The value or the change, in the target's scale; for maximise and minimise, the value that is
    enough."""
    weight: float = Field(1.0, ge=0)
    """Weight of the goal in the loss."""
    tolerance: float = Field(0.5, ge=0)
    """Distance from the goal at which it still counts as reached."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind in ("value", "change") and self.value is None:
            raise ValueError(f"a goal of kind {self.kind} needs `value`")
        return self


class DesignConfig(StepConfig):
    """Ledidi designs of each region for each set of goals."""

    regions: Path | None = None
    """BED of the regions to design; null = the run's regions. A window is centred on each row."""
    goals: dict[Name, list[DesignGoal]] = Field(default={}, validate_default=True)
    """For each name, the goals that one design must reach together. With several names, a region
    has one design for each name."""
    region_goals: dict[str, list[Name]] = {}
    """For each region of the BED, by its name, the names of its goals. Regions that are not listed
    have the goals of `*`, or all of them if `*` is not given."""
    goals_table: Path | None = None
    """TSV with the columns region (`*` = all), model, target, kind, and where needed value, weight,
    tolerance and goal (a name; rows with the same name and region are reached together). Added to
    goals."""
    judges: list[Name] = []
    """Models that take no part in the design; their predictions are reported beside those of the
    oracles."""
    frozen: Path | None = None
    """BED of positions that keep their base."""
    priors: Path | None = None
    """TSV without header: chrom, start, end, base (A, C, G, T, or `*` for each edit), weight. The
    weight is added to the logit from which the base is drawn: about 9 makes a base as likely as the
    base of the genome, -inf forbids it."""
    max_edits: int | None = Field(None, ge=0)
    """Largest number of edits."""
    min_distance_bp: int = Field(1, ge=1)
    """Smallest distance between two edits."""
    gc_range: tuple[float, float] | None = None
    """Smallest and largest GC share of a window."""
    forbidden_motifs: Path | None = None
    """MEME file of motifs that no design may hold."""
    required_motifs: Path | None = None
    """MEME file of motifs that every design must hold, at least one hit of each."""
    motif_threshold: float = Field(1e-4, gt=0, lt=1)
    """Largest p-value of a hit of these motifs, and of the hits that are gained and lost. It is
    computed from uniform base frequencies (0.25), because a designed sequence is not one of the
    genome. The step hits uses the run's background, so it may give another p-value to the same
    site."""
    l: float = Field(0.1, ge=0)
    """Weight of the number of edits in the loss."""
    tau: float = Field(1.0, gt=0)
    """Temperature of the Gumbel-softmax."""
    lr: float = Field(1.0, gt=0)
    """Learning rate."""
    samples: int = Field(16, ge=1)
    """Number of samples of each region in an iteration (Ledidi's batch_size)."""
    max_iter: int = Field(1000, ge=1)
    """Largest number of iterations."""
    early_stopping_iter: int = Field(100, ge=1)
    """Iterations without improvement after which a region stops."""
    n_repeats: int = Field(1, ge=1)
    """Number of runs with different noise; the best design is kept."""
    prune: bool = True
    """Take back edits one by one, as long as the goals stay reached (or, where they are not
    reached, as long as the predictions move by less than prune_threshold)."""
    swaps: int = Field(10, ge=0)
    """Number of edits that, after pruning, are exchanged one by one for others that come nearer to
    the goals; 0 = none."""
    prune_threshold: float = Field(1.0, ge=0)
    """Limit of the drift, Σ over goals of |change|, where the goals are not reached."""
    baselines: list[Literal["greedy_motif", "beam", "random"]] = ["random"]
    """Simpler methods in the same table, with as many edits as the pruned design; greedy_motif
    inserts the motifs of `motifs` and is slow with many."""
    n_references: int = Field(20, ge=0)
    """Number of shuffles for the attributions before and after; 0 = no attributions."""
    composition: Path | None = None
    """BED of regions of usual composition, such as the peaks that the model was trained on; null =
    the run's regions. Designs with unusual GC or k-mers are marked off_distribution."""
    regions_per_batch: int = Field(32, ge=1)
    """Number of regions that are optimised at once."""

    @model_validator(mode="before")
    @classmethod
    def _take_table(cls, data: Any) -> Any:
        return with_goal_table(data) if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.goals or not all(self.goals.values()):
            raise ValueError(
                "give goals: {name: [{model, target, kind, value}, …]}, or goals_table"
            )
        for name, goals in self.goals.items():
            seen = [(g.model, g.target) for g in goals]
            if len(set(seen)) < len(seen):
                raise ValueError(f"goals.{name}: two goals for one target contradict each other")
        unknown = {n for names in self.region_goals.values() for n in names} - set(self.goals)
        if unknown:
            raise ValueError(f"region_goals: no goals of the name {', '.join(sorted(unknown))}")
        oracles = {g.model for goals in self.goals.values() for g in goals}
        if both := sorted(oracles & set(self.judges)):
            raise ValueError(f"judges: {', '.join(both)} is an oracle of the design too")
        if self.gc_range and not 0 <= self.gc_range[0] <= self.gc_range[1] <= 1:
            raise ValueError("gc_range: give 0 <= low <= high <= 1")
        return self

    def goals_of(self, region: str) -> list[str]:
        """Return the names of the goals of a region, in the order of `goals`."""
        names = self.region_goals.get(region, self.region_goals.get(ALL, list(self.goals)))
        return [name for name in self.goals if name in names]

    @property
    def oracles(self) -> list[str]:
        """Ids of the models that take part, in the order of the goals."""
        return list(dict.fromkeys(g.model for goals in self.goals.values() for g in goals))


FIGURES = ("loss", "edits", "goals", "pruning", "kept", "hits", "logos")
STEP = Step(
    name="design",
    version=5,
    order=80,
    config=DesignConfig,
    title="Designs",
    about="variants and designs",
    run_products=lambda config: [
        "design/designs.fa",
        "design/designs.parquet",
        "design/edits.vcf.gz",
        "design/edits.vcf.gz.tbi",
        "design/history.h5",
        "design/dropped.tsv",
        *(f"design/figures/{name}.svg" for name in FIGURES),
    ],
    drawn=lambda config, model: [] if model else ["edits", "predictions"],
    reserved=frozenset({"design"}),
    heavy=lambda model: 10_000.0,  # the steps of a design
    browser={"edits.vcf.gz": Shown("edits", "124,58,160", "The edits of the designed sequences.")},
    run_models=lambda config: [*config.oracles, *config.judges],
    unscoped=frozenset(
        {
            "batch_size",
            "regions_per_batch",
            "regions",
            "region_goals",  # each chunk watches those of its own regions
            "goals",
            "frozen",
            "goals_table",
            "priors",
            "composition",
        }
    ),  # fmt: skip
)
