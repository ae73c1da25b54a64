"""The truth in SQL of who shares in a deal, of the funnel and of windows of 28 days: see oracle.py,
which runs it.

Of the funnel it knows what the generator writes: one pipeline, systems that name no stage of each
other's, and statuses that are stated wherever the stage table does not know the stage.
"""

# How a deal stands, as said outright or by the stage that it moves to; and its visits of stages.
STATUSES = """
create table moves as
  select entity, st, ord, t, v as stage from writes
  where field = 'stage' and entity in (select entity from entities where type = 'deal')
  qualify v is distinct from lag(v) over (partition by entity order by st);

create table statuses as
  with outright as (
    select entity, st, ord, t, coalesce(v, 'open') as status from writes
    where field = 'status' and entity in (select entity from entities where type = 'deal'))
  select * from outright
  union all
  -- An event that says both means the status.
  select m.entity, m.st, m.ord, m.t, s.status from moves m join stages s on s.stage = m.stage
  where (m.entity, m.st) not in (select (entity, st) from outright);

create table changes as
  select * exclude before from (
    select *, lag(status, 1, 'open') over (partition by entity order by st) as before from statuses)
  where status <> before;

create table points as
  with at_ as (
    select entity, st, any_value(ord) as ord, any_value(t) as t, bool_or(moved) as moved from (
      select entity, st, ord, t, true as moved from moves
      union all select entity, st, ord, t, false from changes)
    group by entity, st),
  placed as (
    select a.*, m.stage from at_ a asof left join moves m on m.entity = a.entity and m.st <= a.st),
  stood as (
    select p.*, coalesce(c.status, 'open') as status
    from placed p asof left join changes c on c.entity = p.entity and c.st <= p.st)
  select s.*, g.status as means, g.place, lag(s.status, 1, 'open') over past as before,
    lag(s.stage) over past as was,
    min(st) filter (moved) over coming as next_move,
    min(st) filter (moved or s.status <> 'open') over coming as next_end
  from stood s left join stages g on g.stage = s.stage
  window past as (partition by entity order by st),
    coming as (partition by entity order by st rows between 1 following and unbounded following);

-- A visit begins with a move, unless nobody saw the deal there while it was open, or where a deal is
-- reopened. It ends with the next move, one of an open stage when the deal is closed too.
create table visits as
  with begun as (
    select *, case when means = 'open' and status <> 'open' then st
        when means = 'open' then next_end else next_move end as stop
    from points
    where means is not null and if(moved,
      means <> 'open' or status = 'open' or (before = 'open' and was is not null),
      means = 'open' and status = 'open' and before <> 'open'))
  select b.entity, b.st, b.ord, b.t, b.stage, b.means,
    case when e.st is null then 'held'
      when e.st = b.st or not e.moved then if(e.status = 'won', 'advanced', 'lost')
      when e.status = 'lost' and b.means <> 'lost' and e.means is distinct from 'open' then 'lost'
      when e.status = 'won' and b.means <> 'won' and e.means is distinct from 'open' then 'advanced'
      when e.means is null then 'left'
      when b.means <> 'open' and e.means = 'open' then 'back'
      when e.place > b.place then 'advanced' else 'back' end as how,
    least(greatest(civil(e.t) - civil(b.t), 0), 4095) as days
  from begun b left join points e on e.entity = b.entity and e.st = b.stop;
"""

FACTS = """
insert into facts
  select entity, 'stage_' || how, t, ord, t + $settle, days, null, null, stage, null from visits;
insert into facts
  select distinct c.entity, 'passed_' || c.status, c.at, c.ord, c.t + $settle, null::bigint, null::decimal(38, 12),
    null::varchar, v.stage, null::double
  from closings c join visits v on v.entity = c.entity and v.st <= c.st and v.means = 'open';
"""

TRUTH = """
create table shares as
  with asked as (select entity, ord, until, amount, currency, facts.at from facts where what = 'won'),
  held as (
    select a.*, s.st is not null as known, s.v
    from asked a asof left join (select * from steps where field = 'splits') s on s.entity = a.entity and s.ord <= a.ord),
  lists as (
    select h.* exclude (known, v), if(h.known, h.v, if(o.t <= h.until, o.v, null)) as list
    from held h left join oldest o on o.entity = h.entity and o.field = 'splits'),
  entries as (select * exclude list, unnest(from_json(list, '["JSON"]')) as e from lists where list is not null),
  summed as (
    select entity, ord, until, amount, currency, entries.at, e->>'$.owner' as rep, coalesce(e->>'$.type', 'revenue') as kind,
      sum((e->>'$.share')::double) as share
    from entries group by all having sum((e->>'$.share')::double) > 0)
  select * replace (if(kind = 'revenue', share / sum(share) over (partition by entity, kind), share) as share) from summed
  union all
  -- What nobody shares is all its owner's.
  select a.entity, a.ord, a.until, a.amount, a.currency, a.at, coalesce(s.v, 'unknown'), 'revenue', 1
  from asked a join settled s on s.entity = a.entity and s.ord = a.ord and s.until is not distinct from a.until and s.field = 'rep'
  where a.entity not in (select entity from summed where kind = 'revenue');

create table shared as
  select f.field, case f.field when 'overall' then 'overall' when 'rep' then s.rep
      else coalesce(h.v, d.value, 'unknown') end as value,
    date_trunc('month', civil(s.at))::date as month, s.kind, s.share, s.amount::double * s.share as amount, s.currency
  from shares s cross join (select field from fields union select 'overall') f
  left join settled h on h.entity = s.entity and h.ord = s.ord and h.until is not distinct from s.until and h.field = f.field
  left join directory d on d.rep = s.rep and d.field = f.field;

insert into truth
  select * from (from (
    select c.field, c.value, m.month,
      coalesce(sum(amount) filter (kind = 'revenue' and currency = $currency), 0) as credited_revenue,
      coalesce(sum(share) filter (kind = 'revenue'), 0) as credited_deals_won,
      coalesce(sum(amount) filter (kind = 'overlay' and currency = $currency), 0) as overlay_revenue
    from segments c cross join months m left join shared s using (field, value, month) group by c.field, c.value, m.month)
    unpivot include nulls (truth for kpi in (columns(* exclude (field, value, month)))))
  where kpi in (select kpi from raw);

create table funnel as
  with told as (
    select field, value, month, word as stage,
      count(*) filter (what like 'stage_%') as entered,
      count(*) filter (what = 'stage_advanced') as advanced, count(*) filter (what = 'stage_back') as back,
      count(*) filter (what = 'stage_lost') as lost, count(*) filter (what = 'stage_left') as left_,
      count(*) filter (what = 'stage_held') as held,
      count(*) filter (what = 'passed_won') as won, count(*) filter (what like 'passed_%') as closed,
      quantile_cont(age, 0.5) filter (what like 'stage_%' and what <> 'stage_held') as days_p50,
      quantile_cont(age, 0.9) filter (what like 'stage_%' and what <> 'stage_held') as days_p90
    from flows where what like 'stage_%' or what like 'passed_%' group by all),
  any_ as (select distinct field, value, month from told)
  select a.*, g.stage, g.place, g.status as means, t.days_p50::double as days_p50, t.days_p90::double as days_p90,
    coalesce(entered, 0) as entered, coalesce(advanced, 0) as advanced, coalesce(back, 0) as back,
    coalesce(lost, 0) as lost, coalesce(left_, 0) as left_, coalesce(held, 0) as held,
    coalesce(won, 0) as won, coalesce(closed, 0) as closed
  from any_ a cross join stages g left join told t using (field, value, month, stage);

insert into truth
  select field, value, month, 'funnel ' || stage || ' ' || name as kpi, truth from (from (
    select field, value, month, stage, entered::double as entered, advanced::double as advanced, back::double as back,
      lost::double as lost, left_::double as "left", held::double as held, won::double as won, closed::double as closed,
      if(means = 'open', advanced / nullif(entered, 0), null) as step_rate,
      if(means = 'open', lost / nullif(entered, 0), null) as drop_off, won / nullif(closed, 0) as win_rate,
      days_p50, days_p90, (entered - held)::double as n
    from funnel)
    unpivot include nulls (truth for name in (columns(* exclude (field, value, month, stage)))))
  union all
  select field, value, month, 'funnel bottleneck', place from funnel
  where means = 'open' and entered >= 30 and lost > 0
  qualify row_number() over (partition by field, value, month order by lost / entered desc, place) = 1;
"""

# Windows of 28 days, one a day: what a window tells must not hang on its being a month.
ROLLING = """
insert into truth
  with windows as (
    select distinct field, value, month as since from raw_months where kpi like 'rolling %'),
  sums as (
    select w.field, w.value, w.since as month,
      count(*) filter (what = 'lead') as leads_created, count(*) filter (what = 'created') as deals_created,
      count(*) filter (what = 'won') as deals_won, count(*) filter (what = 'lost') as deals_lost,
      coalesce(sum(amount) filter (what = 'won' and currency = $currency), 0) as revenue,
      count(amount) filter (what = 'won' and currency = $currency) as priced,
      avg(age) filter (what = 'won') as mean, quantile_cont(age, 0.5) filter (what = 'won') as p50,
      count(*) filter (what = 'activity') as activities_done, count(*) filter (what = 'order') as orders_paid
    from windows w left join flows f on f.field = w.field and f.value = w.value
      and f.day >= w.since and f.day < w.since + 28
    group by all)
  select field, value, month, 'rolling ' || name, truth from (from (
    select field, value, month, leads_created::double as leads_created, deals_created::double as deals_created,
      deals_won::double as deals_won, deals_lost::double as deals_lost, revenue::double as revenue,
      revenue / nullif(priced, 0) as average_deal_size, deals_won / nullif(deals_won + deals_lost, 0) as win_rate,
      mean as cycle_length_mean, p50::double as cycle_length_p50, activities_done::double as activities_done,
      orders_paid::double as orders_paid
    from sums)
    unpivot include nulls (truth for name in (columns(* exclude (field, value, month)))));
"""
