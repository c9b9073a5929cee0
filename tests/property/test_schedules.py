"""Laws of slots: ordered, the same from wherever one asks, none lost; against croniter, dateutil and brute force."""

# ruff: noqa: DTZ001 - local times are naive

import time
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from croniter import croniter
from dateutil.rrule import rrulestr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.schedules import ScheduleError, count, load, newest

LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

ZONES = st.sampled_from(
    [
        "UTC",
        "America/New_York",
        "Europe/Paris",
        "Europe/Dublin",
        "Australia/Lord_Howe",
        "America/Sao_Paulo",
        "Asia/Beirut",
        "Africa/Casablanca",
        "Antarctica/Troll",
        "Pacific/Apia",
        "Asia/Kathmandu",
    ]
)
# Ends of daylight saving in some zone, and the day that Apia skipped: where slots go wrong.
HARD = st.sampled_from(
    [
        datetime(2024, 3, 10, 7, tzinfo=UTC),
        datetime(2024, 11, 3, 6, tzinfo=UTC),
        datetime(2026, 3, 29, 1, tzinfo=UTC),
        datetime(2026, 10, 25, 1, tzinfo=UTC),
        datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
        datetime(2026, 4, 4, 15, tzinfo=UTC),
        datetime(2018, 11, 4, 3, tzinfo=UTC),
        datetime(2011, 12, 30, 10, tzinfo=UTC),
        datetime(2026, 3, 28, 22, tzinfo=UTC),
        datetime(2026, 2, 15, 2, tzinfo=UTC),
    ]
)
MOMENTS = st.one_of(
    st.builds(lambda at, minutes: at + timedelta(minutes=minutes), HARD, st.integers(-3000, 3000)),
    st.datetimes(datetime(1995, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)),
)


def field(low: int, high: int):
    """One cron field: a star, a value, a list, a range or a step."""
    value = st.integers(low, high)
    ranges = st.tuples(value, value).filter(lambda pair: pair[0] < pair[1]).map(lambda pair: f"{pair[0]}-{pair[1]}")
    return st.one_of(
        st.just("*"),
        value.map(str),
        st.lists(value, min_size=2, max_size=4, unique=True).map(lambda values: ",".join(map(str, values))),
        ranges,
        st.integers(2, high).map(lambda step: f"*/{step}"),
    )


CRONS = st.builds(
    lambda *fields: " ".join(fields),
    field(0, 59),
    field(0, 23),
    st.one_of(st.just("*"), field(1, 28)),
    st.one_of(st.just("*"), field(1, 12)),
    st.one_of(st.just("*"), field(0, 6)),
)
SPANS = st.one_of(
    st.integers(1, 30).map(lambda days: days * 86400), st.integers(60, 200_000), st.sampled_from([1, 900, 3600])
)


def by(name: str, low: int, high: int):
    return st.lists(st.integers(low, high), min_size=1, max_size=4, unique=True).map(
        lambda values: f"{name}={','.join(map(str, values))}"
    )


@st.composite
def recurrences(draw) -> str:
    freq = draw(st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY"]))
    parts = [f"FREQ={freq}", f"INTERVAL={draw(st.integers(1, 5))}"]
    optional = [by("BYMONTH", 1, 12), by("BYHOUR", 0, 23), by("BYMINUTE", 0, 59), st.just("BYDAY=MO,WE,SA")]
    optional += [by("BYMONTHDAY", -28, -1), by("BYMONTHDAY", 1, 28), st.just("WKST=SU")]
    if freq not in {"HOURLY", "MINUTELY"}:
        optional += [by("BYSETPOS", -2, -1), by("BYSETPOS", 1, 3)]
    if freq in {"YEARLY", "MONTHLY"}:
        optional += [st.just("BYDAY=1MO,-1FR")]
    if freq == "YEARLY":
        optional += [by("BYWEEKNO", 1, 53), by("BYYEARDAY", 1, 366)]
    chosen = draw(st.lists(st.sampled_from(optional), max_size=3))
    given_parts = {part.partition("=")[0]: part for part in map(draw, chosen)}
    start = draw(st.datetimes(datetime(2015, 1, 1), datetime(2026, 1, 1)))
    return f"DTSTART:{start:%Y%m%dT%H%M}00\nRRULE:{';'.join([*parts, *given_parts.values()])}"


RULES = st.one_of(
    st.builds(lambda cron, zone: {"cron": cron, "timezone": zone}, CRONS, ZONES),
    st.builds(lambda span, zone: {"interval": span, "timezone": zone}, SPANS, ZONES),
    st.builds(lambda rrule, zone: {"rrule": rrule, "timezone": zone}, recurrences(), ZONES),
)


def loaded(rule: dict):
    """The schedule, or None for a rule that happens never: that is refused at the door."""
    try:
        return load(rule)
    except ScheduleError as error:
        assert "never happens" in str(error)  # noqa: PT017
        return None


@LAW
@given(RULES, MOMENTS)
def test_slots_ascend_and_lie_after_the_moment_of_asking(rule, after):
    if schedule := loaded(rule):
        found = list(islice(schedule.slots(after), 50))
        assert all(a < b for a, b in pairwise([after, *found]))
        assert all(slot.tzinfo is UTC for slot in found)


@LAW
@given(RULES, MOMENTS, st.integers(0, 3 * 1440 * 60), st.integers(0, 3 * 1440 * 60))
def test_a_stretch_split_anywhere_has_the_same_slots(rule, begin, first, second):
    if schedule := loaded(rule):
        middle = begin + timedelta(seconds=first)
        end = middle + timedelta(seconds=second)
        whole = list(islice(schedule.slots(begin, until=end), 3000))
        halves = [*schedule.slots(begin, until=middle), *islice(schedule.slots(middle, until=end), 3000)]
        assert halves[: len(whole)] == whole
        if whole:  # asking from a slot goes on with the next
            assert list(islice(schedule.slots(whole[0]), len(whole) - 1)) == whole[1:]


@LAW
@given(RULES, MOMENTS, st.integers(0, 20 * 1440), st.integers(1, 3000))
def test_a_count_is_what_stepping_finds(rule, begin, minutes, limit):
    if schedule := loaded(rule):
        end = begin + timedelta(minutes=minutes)
        stepped = list(islice(schedule.slots(begin, until=end), limit))
        expected = (stepped[0], stepped[-1], len(stepped)) if stepped else (None, None, 0)
        assert count(schedule, begin, end, limit) == expected


@LAW
@given(RULES, MOMENTS, st.integers(0, 20 * 1440), st.integers(1, 20))
def test_the_newest_are_the_last_that_stepping_finds(rule, begin, minutes, n):
    if schedule := loaded(rule):
        end = begin + timedelta(minutes=minutes)
        assert newest(schedule, begin, end, n) == list(schedule.slots(begin, until=end))[-n:]


@LAW
@given(CRONS, MOMENTS, st.booleans())
def test_a_cron_without_daylight_saving_is_what_croniter_says(cron, after, day_or):
    if schedule := loaded({"cron": cron, "day_or": day_or}):
        reference = croniter(cron, after.replace(tzinfo=None), day_or=day_or)
        expected = [reference.get_next(datetime).replace(tzinfo=UTC) for _ in range(8)]
        assert list(islice(schedule.slots(after), 8)) == expected


def allowed(text: str, low: int, high: int) -> set[int]:
    """What a simple cron field means, read another way than the code under test does."""
    head, _, step = text.partition("/")
    if head == "*":
        return set(range(low, high + 1, int(step or 1)))
    if "-" in head:
        first, last = map(int, head.split("-"))
        return set(range(first, last + 1))
    return set(map(int, head.split(",")))


@LAW
@given(field(0, 59), field(0, 23), field(0, 6), ZONES, st.datetimes(datetime(2020, 1, 5), datetime(2030, 1, 1)))
def test_every_minute_that_matches_is_a_slot_and_no_other(minute, hour, weekday, zone, local):
    where = ZoneInfo(zone)
    begin = local.replace(tzinfo=where).astimezone(UTC).replace(second=0, microsecond=0)
    minutes = [begin + timedelta(minutes=n) for n in range(1, 2 * 1440 + 1)]
    around = (begin - timedelta(days=2), begin, begin + timedelta(days=4))
    if len({at.astimezone(where).utcoffset() for at in around}) > 1:
        return  # daylight saving is told by the tables of the unit tests
    fits = allowed(minute, 0, 59), allowed(hour, 0, 23), allowed(weekday, 0, 6)

    def matches(at: datetime) -> bool:
        clock = at.astimezone(where)
        return clock.minute in fits[0] and clock.hour in fits[1] and clock.isoweekday() % 7 in fits[2]

    schedule = load({"cron": f"{minute} {hour} * * {weekday}", "timezone": zone})
    assert list(schedule.slots(begin, until=minutes[-1])) == [at for at in minutes if matches(at)]


@LAW
@given(HARD, ZONES, st.sampled_from([5, 15, 30]))
def test_every_few_minutes_has_no_hole_and_no_crowd(at, zone, every):
    if zone == "Asia/Kathmandu":
        return  # a quarter of an hour off, so are its half hours
    schedule = load({"cron": f"*/{every} * * * *", "timezone": zone})
    found = list(schedule.slots(at - timedelta(days=2), until=at + timedelta(days=2)))
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(minutes=every)}


@LAW
@given(st.integers(1, 9), MOMENTS, ZONES, MOMENTS)
def test_whole_days_keep_the_hour_of_the_anchor(days, anchor, zone, after):
    schedule = load({"interval": f"P{days}D", "anchor_date": anchor.isoformat(), "timezone": zone})
    hour = anchor.astimezone(ZoneInfo(zone)).time()
    for slot in islice(schedule.slots(after), 40):
        clock = slot.astimezone(ZoneInfo(zone))
        before = (slot - timedelta(hours=26)).astimezone(ZoneInfo(zone)).utcoffset()
        assert clock.time() == hour or clock.utcoffset() > before  # else a gap lies just behind


@LAW
@given(recurrences(), st.integers(0, 4000))
def test_a_recurrence_is_what_dateutil_says(rrule, later):
    if schedule := loaded({"rrule": rrule}):
        try:
            reference = list(islice(rrulestr(rrule).xafter(datetime(2015, 1, 1)), 400))
        except ValueError:
            return  # it refuses some rules that never happen
        expected = [wall.replace(tzinfo=UTC) for wall in reference]
        assert list(islice(schedule.slots(datetime(2015, 1, 1, tzinfo=UTC)), 400)) == expected
        begin = datetime(2015, 1, 1, tzinfo=UTC) + timedelta(days=later)
        rest = [slot for slot in expected if slot > begin]
        assert list(islice(schedule.slots(begin), len(rest))) == rest


CRONLIKE = st.text("0123456789*/,-#LWHR? @MONJANdaily\n", max_size=40)
PIECES = (
    "FREQ= DAILY SECONDLY YEARLY MONTHLY WEEKLY ; INTERVAL= COUNT= UNTIL= BYDAY= BYSETPOS= BYHOUR= BYMONTHDAY= RRULE: "
    "EXRULE:FREQ=DAILY DTSTART: RDATE: EXDATE: , = - 0 1 30 366 999999 20240101T000000Z MO -1FR"
)
ICALLIKE = st.lists(st.sampled_from([*PIECES.split(), "\n"]), max_size=14).map("".join)
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30), st.lists(st.integers()))


@settings(LAW, max_examples=400)
@given(
    st.one_of(
        st.fixed_dictionaries({"cron": CRONLIKE}),
        st.fixed_dictionaries({"rrule": ICALLIKE}),
        st.fixed_dictionaries({"interval": st.text("PTYMWDHS0123456789.:-", max_size=12), "anchor_date": st.text()}),
        st.dictionaries(
            st.sampled_from(["cron", "interval", "rrule", "timezone", "anchor_date", "day_or"]), VALUES, max_size=3
        ),
    )
)
def test_nothing_crashes_or_hangs(rule):
    begin = time.perf_counter()
    try:
        schedule = load(rule)
    except ScheduleError as error:
        assert error.key in {"", *rule}  # noqa: PT017
        assert len(str(error)) < 500  # noqa: PT017
    else:
        list(islice(schedule.slots(datetime(2026, 11, 22, tzinfo=UTC)), 3))
    assert time.perf_counter() - begin < 3
