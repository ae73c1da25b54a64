#!/usr/bin/env python3
"""The truth in SQL: recounts canonical events with DuckDB and compares the months of a replay.

    tidemark generate events --days 90 --output events.jsonl
    tidemark replay --config tidemark.toml --input events.jsonl --output rows.jsonl
    scripts/oracle.py events.jsonl rows.jsonl [--directory directory.toml] [--settle 5s]

Every month (and of some KPIs every 28 days) of every segment of at most one dimension (overall, rep, territory, channel, product, ...)
that the rows hold is counted from the events themselves: last writer wins by (order, operation,
time) in window functions, credit by as-of joins. It shares nothing with the pipeline but the
definitions in docs/kpis.md. What is beside leads and deals is in oracle_more.py, the funnel and shared
deals in oracle_flow.py. Exit code 0: equal; 1: the first differences are printed; 2: usage.
Zone and currency are those of the rows. With --catalogue each KPI of it must be compared; with --plant
one number of each of them is changed, and refused.
"""

import argparse
import json
import sys
import tomllib

import duckdb

import oracle_flow
import oracle_more

# What is compared of windows of 28 days.
ROLLED = set("leads_created deals_created deals_won deals_lost revenue average_deal_size win_rate cycle_length_mean"
             " cycle_length_p50 activities_done orders_paid".split())
# What a funnel says of a stage beside its numbers.
WORDS = {"name", "stage", "system", "pipeline", "label", "status", "low_n"}
SPANS = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}

# Events: one row each; the place of an event among those of its entity; and per field its writes.
EVENTS = """
create table parts as
  select unnest(case when json_type(json) = 'ARRAY' then from_json(json, '["JSON"]') else [json] end) as e
  from read_ndjson_objects($path, maximum_object_size = 67108864);

create macro instant(text) as epoch_us(case when length(text) = 10
  then timezone($zone, text::timestamp) else text::timestamptz end);
create macro civil(us) as timezone($zone, make_timestamptz(us::bigint))::date;
create macro midnight(day) as epoch_us(timezone($zone, day::timestamp));

create table events as
  with typed as (
    select coalesce(e->>'$.tenant', 'default') || '/' || (e->>'$.entity.type') || '/' || (e->>'$.entity.id') as entity,
      e->>'$.entity.type' as type, instant(e->>'$.time') as t, e->'$.set' as fields, e->'$.order' as o,
      coalesce(e->>'$.op', if(e->>'$.kind' = 'fact', 'snapshot', 'update')) as op,
      coalesce(e->>'$.kind', 'patch') as kind, coalesce(e->'$.flags', '[]'::json) as flags
    from parts)
  select entity, type, t, fields, op,
    coalesce((o->>0)::bigint, t // 1000) as o1, coalesce((o->>1)::bigint, 0) as o2,
    list_position(['create', 'snapshot', 'update', 'restore', 'merge', 'delete'], op) as rank
  from typed
  where kind <> 'gap' and not json_contains(flags, '"test"') and t <= $until;

create table places as
  select distinct entity, type, op, o1, o2, rank, t,
    dense_rank() over (partition by entity order by o1, o2) as ord,
    dense_rank() over (partition by entity order by o1, o2, rank, t) as st
  from events;

create table writes as
  with stated as (
    select entity, o1, o2, rank, t, unnest(json_keys(fields)) as name, fields from events
    union all
    select entity, o1, o2, rank, t, 'exists', if(op in ('delete', 'merge'), '{"exists":"no"}', '{"exists":"yes"}')::json
    from events where op <> 'update'),
  plain as (
    select * exclude (name, fields), if(name = 'owner', 'rep', name) as field,
      fields->>('$."' || name || '"') as v, fields->('$."' || name || '"') as j from stated),
  ranked as (
    select *, if(field in ('amount', 'refunded', 'discount', 'mrr', 'spend'), (j->>'$.value')::decimal(38, 12), null) as amount,
      if(field in ('amount', 'refunded', 'discount', 'mrr', 'spend'), upper(j->>'$.currency'), null) as currency,
      list_position(['open', 'won', 'lost'], v) as status
    from plain)
  select entity, field, ord, st, t, v, amount, if(amount is null, null, currency) as currency
  from ranked join places using (entity, o1, o2, rank, t)
  -- Two writes that claim the same place: the greater one holds, whatever came first.
  qualify row_number() over (partition by entity, field, st
    order by v is not null desc, amount desc nulls last, currency desc, status desc nulls last, v desc) = 1;

create table newest as select * from writes
  qualify row_number() over (partition by entity, field order by st desc) = 1;
-- What held as of an order: the last write that is not behind it.
create table steps as select * from writes
  qualify row_number() over (partition by entity, field, ord order by st desc) = 1;
create table oldest as select * from writes
  qualify row_number() over (partition by entity, field order by st) = 1;
"""

# Entities, and when they were created.
ENTITIES = """
create table entities as
  with firsts as (
    select entity, any_value(type) as type, min(st) as first_st, arg_min(ord, st) as first_ord, arg_min(t, st) as first_t,
      min(t) filter (op = 'create') as birth
    from places group by entity),
  births as (
    select entity, arg_min(ord, st) as ord, arg_min(t, st) as t
    from places join firsts using (entity) where op = 'create' and t = birth group by entity),
  stated as (select entity, instant(v) as at from newest where field = 'created_at' and v is not null)
  select f.entity, f.type, coalesce(s.at, f.birth) as created, f.first_st, f.first_t,
    coalesce(b.ord, f.first_ord) as born_ord, coalesce(b.t, f.first_t) as born_t
  from firsts f left join births b using (entity) left join stated s using (entity)
  where f.entity not in (select entity from newest where field = 'exists' and v = 'no');

"""

# How and when deals were closed; facts; and the moments at which an open deal moved.
FACTS = """
create table closings as
  with final as (select entity, arg_max(status, st) as status from statuses group by entity),
  run as (
    select s.entity, f.status, min(s.st) as st, arg_min(s.ord, s.st) as ord, arg_min(s.t, s.st) as t
    from statuses s join final f using (entity)
    where s.status = f.status and f.status <> 'open' and s.st > coalesce(
      (select max(o.st) from statuses o where o.entity = s.entity and o.status <> f.status), 0)
    group by all),
  stated as (select entity, ord, instant(v) as at from newest where field = 'closed_at' and v is not null)
  select r.*, if(s.ord >= r.ord, s.at, r.t) as at, a.amount, a.currency
  from run r left join stated s using (entity)
  left join newest a on a.entity = r.entity and a.field = 'amount';

create table facts as
  select e.entity, if(type = 'lead', 'lead', 'created') as what, created as at, born_ord as ord, born_t + $settle as until,
    if(c.status = 'won', civil(c.at) - civil(created), null) as age, null::decimal(38, 12) as amount, null::varchar as currency, null::varchar as word, null::double as n
  from entities e left join closings c using (entity) where created is not null and type in ('lead', 'deal')
  union all
  select entity, status, c.at, ord, c.t + $settle, if(status = 'won', civil(c.at) - civil(created), null),
    amount, currency, null, if(status = 'lost', civil(c.at) - civil(created), null)
  from closings c join entities using (entity);

-- A moment never lies before the one that precedes it in the order of the events.
create table moments as
  with points as (
    select distinct entity, ord, st, t from writes
    where field in ('amount', 'status') or field in (select field from fields)
    union
    select entity, ord, st, t from changes
    union
    select entity, ord, st, t from places join entities using (entity) where st = first_st),
  dated as (
    select p.*, case when p.st = c.st then c.at when p.st = e.first_st then coalesce(e.created, e.first_t) else p.t end as at,
      coalesce(e.created, e.first_t) as start
    from points p join entities e on e.entity = p.entity and e.type = 'deal'
    left join closings c on c.entity = p.entity)
  select d.entity, d.ord, d.st, coalesce(s.status, 'open') as status,
    greatest(start, max(d.at) over (partition by d.entity order by d.st)) as at
  from dated d asof left join statuses s on s.entity = d.entity and s.st <= d.st;
"""

# Whom each fact and moment is credited to, a row a dimension.
CREDITS = """
create table wanted as
  select entity, ord, until from facts union select entity, ord, null from moments;

create table settled as
  with asked as (select w.*, f.field from wanted w cross join fields f),
  held as (
    select a.entity, a.ord, a.until, a.field, s.st is not null as known, s.v
    from asked a asof left join steps s on s.entity = a.entity and s.field = a.field and s.ord <= a.ord)
  select h.entity, h.ord, h.until, h.field, if(h.known, h.v, if(o.t <= h.until, o.v, null)) as v
  from held h left join oldest o on o.entity = h.entity and o.field = h.field;

create table credits as
  select s.entity, s.ord, s.until, s.field, coalesce(s.v, d.value, 'unknown') as value
  from settled s
  left join settled rep on rep.entity = s.entity and rep.ord = s.ord
    and rep.until is not distinct from s.until and rep.field = 'rep'
  left join directory d on d.rep = rep.v and d.field = s.field
  union all
  select entity, ord, until, 'overall', 'overall' from wanted;
"""

# What happened is worth what the rate of its day says; what has none stays in its own currency, in no sum.
RATES = """
create table worth as
  select f.* replace (f.amount::double * coalesce(r.rate, 1) as amount, if(r.rate is null, f.currency, $currency) as currency)
  from (select *, civil(facts.at) as counted from facts) f
  asof left join rates r on r.code = f.currency and r.day <= f.counted;
drop table facts;
create table facts as select * exclude counted from worth;
"""

TRUTH = """
create table flows as
  select c.field, c.value, date_trunc('month', civil(f.at))::date as month, civil(f.at) as day, f.*
  from facts f join credits c on c.entity = f.entity and c.ord = f.ord and c.until is not distinct from f.until;

create table waits as
  select entity, min(instant(v)) as answered from newest
  where field in ('responded_at', 'first_call_at', 'first_email_at') and v is not null group by entity;

-- Since when a deal is named, of those that name one.
create table deals as
  with gaps as (select entity, max(st) as gap from writes where field = 'converted_deal' and coalesce(v, '') = '' group by entity)
  select w.entity, arg_max(w.v, w.st) as deal, arg_min(w.t, w.st) as named
  from writes w left join gaps g on g.entity = w.entity
  where w.field = 'converted_deal' and w.st > coalesce(g.gap, 0) group by w.entity;

create table sums as
  select field, value, month,
    count(*) filter (what = 'lead') as leads_created,
    count(*) filter (what = 'lead' and answered >= flows.at) as leads_answered,
    avg((answered - flows.at) // 60000000) filter (what = 'lead' and answered >= flows.at) as answer_mean,
    quantile_cont((answered - flows.at) // 60000000, 0.5) filter (what = 'lead' and answered >= flows.at) as answer_p50,
    quantile_cont((answered - flows.at) // 60000000, 0.9) filter (what = 'lead' and answered >= flows.at) as answer_p90,
    count(*) filter (what = 'lead' and deal <> '') as leads_converted,
    count(*) filter (what = 'lead' and civil(named) - day <= 90) as leads_90d,
    count(*) filter (what = 'created') as deals_created,
    count(*) filter (what = 'won') as deals_won,
    count(*) filter (what = 'lost') as deals_lost,
    sum(amount) filter (what = 'won' and currency = $currency) as won_amount,
    count(amount) filter (what = 'won' and currency = $currency) as won_priced,
    sum(amount) filter (what = 'lost' and currency = $currency) as lost_amount,
    count(amount) filter (what = 'lost' and currency = $currency) as lost_priced,
    -- Sums of which only amounts without a rate are known, which no quotient is made of.
    count(amount) filter (what = 'won') > 0 and won_priced = 0 as won_hollow,
    count(amount) filter (what = 'lost') > 0 and lost_priced = 0 as lost_hollow,
    count(amount) filter (what = 'won' and day - month <= $today - $running) > 0 and count(amount)
      filter (what = 'won' and currency = $currency and day - month <= $today - $running) = 0 as elapsed_hollow,
    count(*) filter (what = 'created' and age is not null) as cohort,
    count(*) filter (what = 'created' and age <= 90) as cohort_90d,
    avg(age) filter (what = 'won') as mean,
    quantile_cont(age, 0.5) filter (what = 'won') as p50,
    quantile_cont(age, 0.9) filter (what = 'won') as p90,
    sum(amount) filter (what = 'won' and currency = $currency and day - month <= $today - $running) as won_elapsed
  from flows left join waits using (entity) left join deals using (entity) group by field, value, month;

create table stocks as
  with ends as (select distinct month, midnight(month + interval 1 month) as until from months),
  last as (
    select m.entity, m.ord, m.status, e.month from moments m join ends e on m.at < e.until
    qualify row_number() over (partition by m.entity, e.month order by m.st desc) = 1),
  open as (
    select l.entity, l.ord, l.month, s.amount, s.currency
    from last l asof left join (select * from steps where field = 'amount') s
      on s.entity = l.entity and s.ord <= l.ord
    where l.status = 'open')
  -- What stands is worth what the last day of the month says, or today while it runs.
  select c.field, c.value, o.month, count(*) as open_deals,
    sum(o.amount::double * coalesce(r.rate, 1)) filter (o.currency = $currency or r.rate is not null) as open_pipeline,
    count(o.amount) filter (o.currency = $currency or r.rate is not null) as open_priced,
    count(o.amount) > 0 and open_priced = 0 as open_hollow
  from (select *, least((month + interval 1 month)::date - 1, $today) as counted from open) o
  asof left join rates r on r.code = o.currency and r.day <= o.counted
  join credits c on c.entity = o.entity and c.ord = o.ord and c.until is null
  group by c.field, c.value, o.month;

create table truth as
  with cells as (select m.*, s.field, s.value from months m cross join segments s),
  full_ as (
    select c.*, s.* exclude (field, value, month),
      if(c.month = $running, b.won_elapsed, b.won_amount) as before,
      if(c.month = $running, q.won_elapsed, q.won_amount) as quarter_before,
      if(c.month = $running, y.won_elapsed, y.won_amount) as year_before, o.open_deals, o.open_pipeline, o.open_priced,
      coalesce(s.won_hollow, false) or coalesce(if(c.month = $running, b.elapsed_hollow, b.won_hollow), false) as no_growth,
      coalesce(s.won_hollow, false) or coalesce(if(c.month = $running, q.elapsed_hollow, q.won_hollow), false) as no_quarter,
      coalesce(s.won_hollow, false) or coalesce(if(c.month = $running, y.elapsed_hollow, y.won_hollow), false) as no_year
    from cells c left join sums s using (field, value, month)
    left join sums b on b.field = c.field and b.value = c.value and b.month = c.month - interval 1 month
    left join sums q on q.field = c.field and q.value = c.value and q.month = c.month - interval 3 month
    left join sums y on y.field = c.field and y.value = c.value and y.month = c.month - interval 12 month
    left join stocks o on o.field = c.field and o.value = c.value and o.month = c.month),
  n as (select * replace (coalesce(won_amount, 0) as won_amount, coalesce(lost_amount, 0) as lost_amount,
    coalesce(deals_won, 0) as deals_won, coalesce(deals_lost, 0) as deals_lost, coalesce(deals_created, 0) as deals_created)
    from full_)
  from (select field, value, month,
    coalesce(leads_created, 0)::double as leads_created, coalesce(leads_answered, 0)::double as leads_answered,
    coalesce(leads_answered, 0) / nullif(leads_created, 0) as response_rate,
    answer_mean::double as response_time_mean, answer_p50::double as response_time_p50, answer_p90::double as response_time_p90,
    coalesce(leads_converted, 0)::double as leads_converted,
    coalesce(leads_converted, 0) / nullif(leads_created, 0) as lead_conversion,
    case when old then coalesce(leads_90d, 0) / nullif(leads_created, 0) end as lead_conversion_90d, deals_created::double as deals_created,
    deals_won::double as deals_won, deals_lost::double as deals_lost, won_amount::double as revenue,
    won_amount::double / nullif(won_priced, 0) as average_deal_size,
    deals_won / nullif(deals_won + deals_lost, 0) as win_rate,
    if(won_hollow or lost_hollow, null, won_amount::double / nullif(greatest((won_amount + lost_amount)::double, 0), 0)) as win_rate_amount,
    cohort / nullif(deals_created, 0) as cohort_conversion,
    case when old then cohort_90d / nullif(deals_created, 0) end as cohort_conversion_90d,
    mean::double as cycle_length_mean, p50::double as cycle_length_p50, p90::double as cycle_length_p90,
    coalesce(open_deals, 0)::double as open_deals, coalesce(open_pipeline, 0)::double as open_pipeline,
    open_pipeline::double / nullif(open_priced, 0) as average_open_deal,
    lost_amount::double / nullif(lost_priced, 0) as average_lost_deal,
    if(no_growth, null, (won_amount - before)::double / nullif(greatest(before, 0), 0)::double) as revenue_growth,
    if(no_quarter, null, (won_amount - quarter_before)::double / nullif(greatest(quarter_before, 0), 0)::double) as revenue_growth_quarter,
    if(no_year, null, (won_amount - year_before)::double / nullif(greatest(year_before, 0), 0)::double) as revenue_growth_year
  from n)
    unpivot include nulls (truth for kpi in (columns(* exclude (field, value, month))));
"""


def span(text):
    """`5s` in microseconds."""
    return int(text[:-1]) * SPANS[text[-1]]


def months(path):
    """The rows of months and of 28 days, by segment; and what all of them share."""
    out, shared = [], None
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["window"]["kind"] not in ("month", "rolling_28d") or len(row["segment"]) > 1:
                continue
            if row["window"]["kind"] == "month":
                # A window of 28 days stands as of its own last day.
                shared = shared or (row["window"]["zone"], row["currency"], row["as_of"])
            out.append(row)
    if shared is None:
        sys.exit(f"{path} holds no row of a month")
    return out, shared


def visits(funnel, places):
    """The numbers of a funnel by their names; of the bottleneck its place in the stage table."""
    if funnel is None:
        return
    for stage in funnel["stages"]:
        for column, found in stage.items():
            if column not in WORDS:
                yield f"funnel {stage['stage']} {column}", None if found is None else float(found)
    worst = funnel["bottleneck"]
    yield "funnel bottleneck", None if worst is None else places[worst]


def load(db, rows, directory, stages, rates):
    """The rows, the directory, the stage table and the rates as tables."""
    db.execute("create table stages (stage varchar, status varchar, place integer)")
    for place, stage in enumerate(stages):
        db.execute("insert into stages values (?, ?, ?)", [stage["stage"], stage["status"], place])
    db.execute("create table raw (field varchar, value varchar, start timestamptz, stop timestamptz, kpi varchar, got double)")
    cells = []
    for row in rows:
        (field, value), = row["segment"].items() or [("overall", "overall")]
        months = row["window"]["kind"] == "month"
        for kpi, found in row["kpis"].items():
            if not months and kpi not in ROLLED:
                continue
            kpi = kpi if months else f"rolling {kpi}"
            number = None if found["value"] is None else float(found["value"])
            cells.append((field, value, row["window"]["start"], row["window"]["end"], kpi, number))
        for name, number in visits(row.get("funnel") if months else None, {stage["stage"]: i for i, stage in enumerate(stages)}):
            cells.append((field, value, row["window"]["start"], row["window"]["end"], name, number))
    # Row by row it would take longer than all that is asked.
    db.execute("insert into raw select unnest($1), unnest($2), unnest($3)::timestamptz, unnest($4)::timestamptz,"
               " unnest($5), unnest($6)", list(zip(*cells)))
    db.execute("create table directory (rep varchar, field varchar, value varchar)")
    if directory:
        with open(directory, "rb") as file:
            typed = tomllib.load(file)
        reps = typed.get("directory", typed).get("rep", [])
        known = [(rep["id"], k, v) for rep in reps for k, v in rep.items() if isinstance(v, str)]
        db.executemany("insert into directory values (?, ?, ?)", known)
    db.execute("create table rates (day date, code varchar, rate double)")
    if rates:
        db.execute("insert into rates select date, \"from\", rate from read_csv(?, header = true) where \"to\" = ?",
                   [rates, rows[0]["currency"]])
    db.execute("create table fields as select distinct field from raw where field <> 'overall' union select 'rep'")
    db.execute("create table segments as select distinct field, value from raw")


def run(db, script, values):
    """Runs the statements of a script with the values they name."""
    for name, value in values.items():
        script = script.replace(f"${name}", value)
    db.execute(script)


def compare(db, running):
    """The cells compared, and those that differ."""
    db.execute("""create or replace temp table pairs as
      select coalesce(r.field, t.field) as field, coalesce(r.value, t.value) as value,
        coalesce(r.month, t.month) as month, coalesce(r.kpi, t.kpi) as kpi, t.truth, r.got, r.kpi is null as no_row
      from raw_months r full join truth t using (field, value, month, kpi)
      where coalesce(r.kpi, t.kpi) in (select kpi from truth)""")
    cells = db.execute("select count(*) from pairs where not no_row").fetchone()[0]
    # Where nothing was counted the truth is that there is nothing.
    wrong = db.execute("""select field, value, month, kpi, truth, got, no_row from pairs
      where no_row or (truth is null) <> (got is null) or abs(truth - got) > if(kpi like 'deal_size_p%', 0.0085, 1e-9) * greatest(1, abs(truth))
      order by all""").fetchall()
    # Nothing that was counted may be of a segment or month that the rows leave out. What is planned
    # for a month that is yet to begin has no row.
    missing = db.execute(f"""select field, value, month, count(*) from flows
      where (field, value) not in (select (field, value) from segments)
        or (month <= date '{running}' and month not in (select month from months)) group by all order by all""").fetchall()
    return cells, wrong, missing


def coverage(db, catalogue):
    """Says which numbers are compared and which are not; gives how many of the catalogue are not."""
    names = {kpi for kpi, in db.execute("select distinct kpi from raw").fetchall()}
    known = {kpi for kpi, in db.execute("select distinct kpi from truth").fetchall()}
    columns = sorted({name.split()[-1] for name in names & known if name.startswith("funnel ")})
    kpis = {name for name in names & known if " " not in name}
    rolled = {name for name in names & known if name.startswith("rolling ")}
    print(f"oracle: compared are the values of {len(kpis)} KPIs and {len(columns)} columns of the funnel"
          f" ({', '.join(columns) or 'none'}) of months, {len(rolled)} KPIs of windows of 28 days")
    print("oracle: not compared: numerators, denominators and n of KPIs, amounts that are parked without a rate, the state and"
          " revision of rows, other windows, segments of two dimensions; of the rows "
          + (", ".join(sorted(names - known)) or "no KPI"))
    if catalogue is None:
        return len(names - known)
    with open(catalogue, encoding="utf-8") as file:
        listed = {kpi["name"] for kpi in json.load(file)["kpis"]}
    if listed - kpis:
        print(f"oracle: of the catalogue nobody recounts {', '.join(sorted(listed - kpis))}")
    return len((names - known) | (listed - kpis))


def plant(db, running):
    """Changes one number of each name, and gives the names of those that were taken."""
    taken = []
    names = [kpi for kpi, in db.execute("select distinct kpi from raw order by 1").fetchall()]
    for kpi in names:
        cell = db.execute("select rowid, got from raw where kpi = ? order by got desc nulls last, rowid limit 1", [kpi]).fetchone()
        db.execute("update raw set got = coalesce(got * 1.02 + 0.02, 1) where rowid = ?", [cell[0]])
        wrong = compare(db, running)[1]
        db.execute("update raw set got = ? where rowid = ?", [cell[1], cell[0]])
        if [found[3] for found in wrong] != [kpi]:
            taken.append(kpi)
    print(f"oracle: {len(names) - len(taken)} of {len(names)} planted errors refused")
    return taken


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("events")
    parser.add_argument("rows")
    parser.add_argument("--directory", help="reps as TOML, as `tidemark generate directory` writes them")
    parser.add_argument("--stages", help="the stage table as TOML ([[stages.stage]] or [[stage]]), in its order")
    parser.add_argument("--rates", help="dated rates as CSV, as [fx] has them")
    parser.add_argument("--catalogue", help="what `tidemark kpis list --json` prints")
    parser.add_argument("--plant", action="store_true", help="change one number of each KPI and column, and expect a refusal")
    parser.add_argument("--settle", default="5s", help="`settle` of the definition (default 5s)")
    parser.add_argument("--lapse", type=int, default=365, help="days of `customers.lapse_after` (default 365)")
    parser.add_argument("--as-of", help="the moment given to `tidemark replay --as-of`")
    parser.add_argument("--at-least", type=int, default=100, help="fewer compared cells are a fault")
    arguments = parser.parse_args()
    rows, (zone, currency, as_of) = months(arguments.rows)
    db = duckdb.connect()
    stages = []
    if arguments.stages:
        with open(arguments.stages, "rb") as file:
            typed = tomllib.load(file)
        stages = typed.get("stages", typed)["stage"]
    load(db, rows, arguments.directory, stages, arguments.rates)
    # A replay without --as-of stands one microsecond behind the newest event.
    given = arguments.as_of is not None
    until = db.execute("select epoch_us(?::timestamptz)", [as_of]).fetchone()[0]
    now = until - 1 if given else until
    today = f"timezone('{zone}', make_timestamptz({now}::bigint))::date"
    today, running, behind = db.execute(
        f"select {today}::varchar, date_trunc('month', {today})::date::varchar,"
        f" timezone('{zone}', make_timestamptz({until}::bigint))::date::varchar").fetchone()
    db.execute(f"create view raw_months as select *, timezone('{zone}', start)::date as month from raw")
    db.execute(f"""create table months as
      select distinct timezone('{zone}', start)::date as month,
        date '{behind}' - timezone('{zone}', stop)::date >= 90 as old from raw where kpi not like 'rolling %'""")
    quoted = {name: "'" + text.replace("'", "''") + "'" for name, text in
              {"path": arguments.events, "zone": zone, "currency": currency}.items()}
    values = quoted | {"until": str(until), "settle": str(span(arguments.settle)),
                       "today": f"date '{today}'", "lapse": str(arguments.lapse), "running": f"date '{running}'"}
    for script in (EVENTS, ENTITIES, oracle_flow.STATUSES, FACTS, oracle_more.FACTS, oracle_flow.FACTS, RATES, CREDITS,
                   TRUTH, oracle_more.TRUTH, oracle_more.YIELDS, oracle_flow.TRUTH, oracle_flow.ROLLING):
        run(db, script, values)
    cells, wrong, missing = compare(db, running)
    events = db.execute("select count(*) from events").fetchone()[0]
    print(f"oracle: {cells} cells of {events} events compared, {len(wrong)} differ, {len(missing)} missing")
    for field, value, month, kpi, truth, got, no_row in wrong[:10]:
        print(f"  {month} {field}={value} {kpi}: {truth} expected, {'no row' if no_row else got} found")
    for field, value, month, n in missing[:10]:
        print(f"  {month} {field}={value}: {n} facts, no row")
    unknown = coverage(db, arguments.catalogue)
    taken = plant(db, running) if arguments.plant else []
    for kpi in taken:
        print(f"oracle: a wrong {kpi} was taken")
    if cells < arguments.at_least:
        print(f"oracle: fewer than {arguments.at_least} cells were compared")
    return 1 if wrong or missing or unknown or taken or cells < arguments.at_least else 0


if __name__ == "__main__":
    sys.exit(main())
