"""What the WGAN-GP is made of: stages, moments, calibration, and a plan by the number of rows."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

from synthtrail.data.codec import TableCodec
from synthtrail.data.schema import infer
from synthtrail.models import calibration
from synthtrail.models.association import association, information
from synthtrail.models.calibration import calibrate
from synthtrail.models.cascade import Cascade
from synthtrail.models.dependence_tree import ROOT
from synthtrail.models.drawing_order import DrawingOrder, line_up, tree
from synthtrail.models.likeness import likeness
from synthtrail.models.moments import MOST_FEATURES, Moments
from synthtrail.models.objective import generator_for
from synthtrail.models.one_hot import Layout, gumbel
from synthtrail.models.pair_start import begin, log_ratios, spread, table
from synthtrail.models.synthesizer import Training
from synthtrail.models.threads import threads
from synthtrail.models.wgan_gp import WganGp, WganGpSettings, plan
from tests.unit.test_models_tables import kept, related

SIZES = (3, 4, 2)  # two columns and the class


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors on several threads wait for one another."""
    with threads(1):
        yield


def rows_of(number: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return codes in which the first column follows the class, and the second the first; and the classes."""
    rng = np.random.default_rng(seed)
    label = (rng.random(number) < 0.2).astype(np.int64)
    first = np.where(rng.random(number) < 0.8, label, 2)
    second = np.where(rng.random(number) < 0.9, first, 3)
    return torch.from_numpy(np.stack([first, second, label], 1)), torch.from_numpy(label)


def cascade(stages: tuple[int, ...] = (1, 1), parents: tuple[int, ...] = ()) -> Cascade:
    """Return a fresh generator of such rows."""
    order = DrawingOrder(SIZES, stages, parents)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Cascade((4, 2), 16, order, torch.zeros(9, 0), torch.zeros(9, 0), 0.3)


def drawn(generator: Cascade, number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return generated codes (N, 3) and their classes, of which a fifth are 1."""
    random = generator_for(0, 1)
    classes = (torch.rand(number, generator=random) < 0.2).long()
    label = functional.one_hot(classes, 2).float()
    with torch.no_grad():
        rows = generator(torch.randn(number, 4, generator=random), label, gumbel(torch.empty(number, 7), random))
    return Layout(SIZES, 2).codes(rows), classes


def moments(rows: torch.Tensor, classes: torch.Tensor) -> Moments:
    """Return the distance to these rows."""
    return Moments(rows, classes, 2, Layout(SIZES, 2), torch.zeros(9, 0))


def test_columns_stand_in_line_behind_their_parents() -> None:
    """Whatever the tree, each column but the target is in one stage, after its parent."""
    rng = np.random.default_rng(0)
    for columns in range(1, 9):
        parents = tuple(int(rng.integers(-1, at)) if at else ROOT for at in range(columns))
        stages = line_up(parents, (3,) * columns, stages=3, target=None)
        line = [column for stage in stages for column in stage]
        assert sorted(line) == list(range(columns))
        assert all(parent == ROOT or line.index(parent) < line.index(at) for at, parent in enumerate(parents))
        assert len({len(stage) for stage in stages[:-1]} | {-(-columns // min(3, columns))}) == 1
    assert line_up((ROOT,), (2,), 4, target=0) == ()


def test_the_target_tells_by_its_class_or_begins_the_tree() -> None:
    """Words as target are in no pair; a number is the root, and a table of too many cells joins nothing."""
    one = np.random.default_rng(0).integers(0, 4, 500)
    codes = np.stack([one, one, one % 2], 1)
    assert tree(codes, (4, 4, 2), 2, number=False) == (ROOT, 0, ROOT)
    assert tree(codes, (4, 4, 2), 2, number=True)[2] == ROOT
    assert ROOT not in tree(codes, (4, 4, 2), 2, number=True)[:2]
    assert tree(codes, (4, 2**20, 2), None, number=False) == (ROOT, ROOT, 0)


def test_columns_that_share_are_related() -> None:
    """A copy shares all there is, and independent columns next to nothing."""
    rng = np.random.default_rng(0)
    one, two = rng.integers(0, 3, 500), rng.integers(0, 4, 500)
    found = association(np.stack([one, one, two], 1), (3, 3, 4))
    assert found[0, 1] == pytest.approx(np.log(3), abs=0.05)
    assert found[0, 2] < 0.02


@pytest.mark.parametrize("stages", [(1, 1), (2,)])
def test_a_generator_starts_from_pairs(stages: tuple[int, ...]) -> None:
    """Before any training the second column follows the first, in one stage or two, and the first the class."""
    rows, classes = rows_of(4000, 0)
    generator = cascade(stages, (ROOT, 0, ROOT))
    loose, _ = drawn(generator, 4000)
    assert float((loose[:, 1] == loose[:, 0]).double().mean()) < 0.5
    begin(generator, Layout(SIZES, 2), rows, classes)
    made, of = drawn(generator, 4000)
    assert float((made[:, 1] == made[:, 0]).double().mean()) > 0.85  # .9 and chance in the rows
    assert float((made[:, 0] == of).double().mean()) == pytest.approx(0.8, abs=0.05)


def test_what_few_rows_say_is_not_taken_for_certain() -> None:
    """What follows is known from many rows; a code of one row moves little, and one never seen not at all."""
    counts = torch.tensor([[500.0, 4.0], [4.0, 500.0], [0.0, 1.0], [0.0, 0.0]])
    ratios = log_ratios(counts, by_chance(counts))
    assert float(ratios[0, 0]) == pytest.approx(np.log(2), abs=0.04)
    assert float(ratios[0, 1]) < -3
    assert abs(float(ratios[2, 1])) < np.log(2)
    assert float(ratios[3].abs().max()) < 1e-6


def test_pairs_of_chance_fade() -> None:
    """Each row is foretold by the others: what independent columns seem to share is hardly told, a copy is whole."""
    rng = np.random.default_rng(0)
    one, other = torch.from_numpy(rng.integers(0, 20, (2, 300)))
    chance, copied = table(one, other, 20, 20), table(one, one, 20, 20)
    assert float(log_ratios(chance, by_chance(chance)).abs().max()) < 0.3
    assert float(log_ratios(copied, by_chance(copied)).diagonal().min()) > np.log(10)


def test_neighbouring_codes_are_counted_where_that_foretells() -> None:
    """Of two numbers that hang together smoothly, a few rows tell more if their codes are known to be numbers."""
    rng = np.random.default_rng(0)
    first = rng.standard_normal(100_400)
    cuts = np.linspace(-2, 2, 19)
    codes = torch.from_numpy(np.digitize(np.stack([first, first + 0.3 * rng.standard_normal(100_400)]), cuts))
    counts, places = table(codes[0, :400], codes[1, :400], 20, 20), np.arange(20.0)
    base = by_chance(counts) / counts.sum()
    smooth = base * log_ratios(counts, by_chance(counts), places, places).exp()
    rough = base * log_ratios(counts, by_chance(counts)).exp()
    true = table(codes[0], codes[1], 20, 20)
    gaps = [float((told / told.sum() - true / true.sum()).abs().sum()) for told in (smooth, rough)]
    assert gaps[0] < 0.75 * gaps[1]


def test_what_the_class_tells_is_not_told_twice() -> None:
    """Columns that are related through the class alone have pairs that say next to nothing."""
    rng = np.random.default_rng(0)
    classes = torch.from_numpy(rng.integers(0, 2, 4000))
    same = torch.from_numpy(rng.random((4000, 2)) < 0.9)
    rows = torch.cat([torch.where(same, classes[:, None], 1 - classes[:, None]), classes[:, None]], 1)
    generator = cascade((2,), (ROOT, 0, ROOT))
    begin(generator, Layout(SIZES, 2), rows, classes)
    assert float(generator.pairs["1"].detach()[:2, :2].abs().max()) < 0.1
    made, of = drawn(generator, 4000)
    assert float((made[:, 1] == of).double().mean()) == pytest.approx(0.9, abs=0.03)


def by_chance(counts: torch.Tensor) -> torch.Tensor:
    """Return the counts that independent columns would have."""
    return counts.sum(1, keepdim=True) * counts.sum(0) / counts.sum()


def test_a_row_counts_for_neighbouring_codes_of_a_number() -> None:
    """The rows stay as many as they were; words share nothing, nor does the code for missing."""
    counts = torch.zeros(4, 3)
    counts[1, 0] = 8.0
    found = spread(counts, likeness(np.array([1.0, 2.0, 3.0, np.nan]), 1.0), None)
    assert float(found.sum()) == pytest.approx(8.0)
    assert found[1, 0] > found[0, 0] == found[2, 0] > 1.0
    assert float(found[3].sum() + found[:, 1:].sum()) == 0.0


def test_information_of_chance_is_none() -> None:
    """The bias of few rows is taken off: independent columns of many codes have about none."""
    rng = np.random.default_rng(0)
    table = np.histogram2d(rng.random(500), rng.random(500), bins=10)[0].astype(np.int64)
    assert information(table) < 0.03
    assert information(np.zeros((2, 2), dtype=np.int64)) == 0


def test_a_later_stage_follows_an_earlier_one() -> None:
    """What was drawn goes into the logits of what is drawn next, and not the other way."""
    generator = cascade()
    noise, label = torch.zeros(200, 4), functional.one_hot(torch.zeros(200, dtype=torch.int64), 2).float()
    chance = gumbel(torch.empty(200, 7), generator_for(0, 0))
    (first, early), (_, late) = generator.steps(noise, label, chance)
    assert early.std(0).max() < 1e-6
    heard = {tuple(row) for row in late.detach().round(decimals=4).tolist()}
    assert len(heard) == len({tuple(row) for row in first.tolist()}) > 1
    rows = generator(noise, label, chance)
    assert rows.shape == (200, 9)
    assert torch.equal(rows[:, 7:], label)


def test_moments_are_near_nothing_for_real_rows_and_not_for_others() -> None:
    """On average the distance of fresh rows is 0, though each batch is noisy; shuffled columns are found far off."""
    rows, classes = rows_of(4000, 0)
    distance = moments(rows, classes)
    layout = Layout(SIZES, 2)
    fresh = [rows_of(64, seed) for seed in range(1, 300)]
    found = [float(distance(layout.one_hot(made), of)) for made, of in fresh]
    assert abs(np.mean(found)) < 4 * np.std(found) / len(found) ** 0.5
    loose = [(torch.stack([made[:, 0].roll(1), made[:, 1], made[:, 2]], 1), of) for made, of in fresh]
    assert np.mean([float(distance(layout.one_hot(made), of)) for made, of in loose]) > 10 * abs(np.mean(found))


def test_moments_pull_a_generator_to_the_rows() -> None:
    """Descending on the distance alone brings shares and pairs of a small generator near the real ones."""
    rows, classes = rows_of(4000, 0)
    distance, generator = moments(rows, classes), cascade()
    adam = torch.optim.Adam(generator.parameters(), 0.01)
    course = []
    for step in range(100):
        random = generator_for(0, step)
        of = classes[torch.randint(len(classes), (256,), generator=random)]
        label = functional.one_hot(of, 2).float()
        made = generator(torch.randn(256, 4, generator=random), label, gumbel(torch.empty(256, 7), random))
        loss = distance(made, of)
        adam.zero_grad()
        loss.backward()
        adam.step()
        course.append(float(loss.detach()))
    assert np.mean(course[-20:]) < 0.2 * np.mean(course[:5])


def test_wide_rows_are_projected() -> None:
    """More features than `MOST_FEATURES` cost no more than that many, and distances stay about the same."""
    rng = np.random.default_rng(0)
    codes = torch.from_numpy(rng.integers(0, 30, (500, 30)))
    classes = torch.zeros(500, dtype=torch.int64)
    layout = Layout((30,) * 30, None)
    distance = Moments(codes, classes, 1, layout, torch.zeros(900, 0))
    assert distance.real.shape == (1, MOST_FEATURES, MOST_FEATURES)
    other = codes.clone()
    other[:, 0] = other[:, 1]
    near, far = (float(distance(layout.one_hot(made), classes)) for made in (codes, other))
    assert far > near


def test_calibration_sets_the_shares_of_every_class() -> None:
    """After it, generated shares are the training rows' within a few rows in a thousand, before it they are not."""
    rows, classes = rows_of(4000, 0)
    generator = cascade()
    gaps = calibrate(generator, Layout(SIZES, 2), rows, classes, noise=4, seed=0)
    assert len(gaps) == calibration.ROUNDS
    assert gaps[0] > 0.05
    assert gaps[-1] < 0.01
    random = generator_for(0, 1)
    for label in (0, 1):
        of = functional.one_hot(torch.full((4000,), label), 2).float()
        made = generator(torch.randn(4000, 4, generator=random), of, gumbel(torch.empty(4000, 7), random)).mean(0)
        real = Layout(SIZES, 2).one_hot(rows[classes == label]).mean(0)
        assert float((made - real).detach().abs().max()) < 0.03


def test_a_level_that_a_class_never_has_stays_rare_and_possible() -> None:
    """Shares are drawn a little towards the column's own, so nothing is certain that few rows say."""
    rows, classes = rows_of(4000, 0)
    generator = cascade()
    calibrate(generator, Layout(SIZES, 2), rows, classes, noise=4, seed=0)
    label = functional.one_hot(torch.zeros(2000, dtype=torch.int64), 2).float()
    random = generator_for(0, 2)
    made = generator(torch.randn(2000, 4, generator=random), label, gumbel(torch.empty(2000, 7), random)).mean(0)
    assert float(made.detach()[1]) < 0.02  # the code of the other class


@pytest.mark.parametrize(("stages", "least"), [(1, 0.55), (4, 0.75)])
def test_dependence_is_learnt(stages: int, least: float) -> None:
    """Rows keep what holds between columns, and sooner in stages; independent ones keep less than half."""
    data = related(600)
    model = WganGp({"steps": 150, "stages": stages, "width": 64, "moments": 1.0})
    model.fit(data, TableCodec.fit(data, infer(data, "ill"), 10), Training(seed=0, progress=False))
    assert kept(next(model.sample(2000))) > least


def test_the_plan_follows_rows() -> None:
    """Many rows take more steps and larger packs; what is given is kept."""
    assert (plan(300, WganGpSettings()).pac, plan(10_000, WganGpSettings()).pac) == (2, 4)
    assert plan(10_000, WganGpSettings()).steps == 1200
    assert plan(10**7, WganGpSettings()).steps == 6000
    assert [plan(rows, WganGpSettings()).steps for rows in (300, 2_000, 8_000)] == [600, 600, 2000]
    given = WganGpSettings(steps=5, batch=6, width=7, pac=3, stages=2, critic_steps=4, critic_rate=0.5, moments=0.0)
    chosen = plan(10**6, given)
    assert (chosen.steps, chosen.batch, chosen.width, chosen.pac, chosen.stages) == (5, 6, 7, 3, 2)
    assert (chosen.critic_steps, chosen.critic_rate, chosen.moments) == (4, 0.5, 0.0)


def test_a_table_of_one_column_beside_the_class() -> None:
    """The smallest table there is learns and samples."""
    data = pd.DataFrame({"size": np.arange(40.0), "kind": ["a", "b"] * 20})
    model = WganGp({"steps": 3, "batch": 8, "width": 8})
    model.fit(data, TableCodec.fit(data, infer(data, "kind"), 4), Training(seed=0, progress=False))
    assert len(next(model.sample(7))) == 7


def test_a_model_saved_before_there_were_parents_draws() -> None:
    """Its facts name none and its weights have no pairs; it draws as it did, each column by its stage alone."""
    data = related(100)
    model = WganGp({"steps": 2, "batch": 8, "width": 8})
    model.fit(data, TableCodec.fit(data, infer(data, "ill"), 4), Training(seed=0, progress=False))
    assert model.facts.pop("parents")
    model.restore({name: value for name, value in model.state().items() if not name.startswith("pairs")})
    assert model.generator.order.edges() == []
    assert len(next(model.sample(7))) == 7
