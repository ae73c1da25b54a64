"""The truth in SQL of what is beside leads and deals: see oracle.py, which runs it.

Whatever these things are credited by is taken to hold from their first event on, as the generator
writes it: owners and channels that move are recounted of deals only.
"""

# Facts of the other kinds: `word` is what they are counted by, `n` what is summed.
FACTS = """
insert into facts
  select e.entity, e.type, instant(p.v), f.ord, f.t + $settle, null, a.amount, a.currency, c.v, null
  from entities e join newest p on p.entity = e.entity and p.field = 'paid_at' and p.v is not null
  join oldest f on f.entity = e.entity and f.field = 'paid_at'
  left join newest a on a.entity = e.entity and a.field = 'amount'
  left join newest c on c.entity = e.entity and c.field = 'account'
  where e.type in ('order', 'invoice');
insert into facts
  select f.entity, f.what || '_refund', f.at, f.ord, f.until, null, r.amount, r.currency, f.word, null
  from facts f join newest r on r.entity = f.entity and r.field = 'refunded' and r.amount is not null
  where f.what in ('order', 'invoice');
insert into facts
  select f.entity, unnest(['sold', 'listed']), f.at, f.ord, f.until, null,
    unnest([f.amount, f.amount + d.amount]), f.currency, null, null
  from facts f join newest d on d.entity = f.entity and d.field = 'discount' and d.currency = f.currency
  where f.what = 'order';

-- What deals that were won had for an amount then: what was said last until a moment behind it, or else first.
insert into facts
  with told as (
    select c.entity, w.st, w.amount, w.currency, w.ord <= c.ord or w.t <= c.t + $settle as then_
    from closings c join writes w on w.entity = c.entity and w.field = 'amount' where c.status = 'won'),
  picked as (
    select entity, max(st) filter (then_) as held, min(st) filter (not then_ and amount is not null) as later
    from told group by entity),
  agreed as (
    select t.entity, t.amount, t.currency from told t join picked p using (entity) left join told h on h.entity = t.entity and h.st = p.held
    where t.st = if(h.amount is null, p.later, p.held))
  select c.entity, 'agreed', c.at, c.ord, c.t + $settle, null, a.amount, a.currency, null, null
  from closings c join agreed a using (entity);

create table done as
  select e.entity, instant(o.v) as at, w.ord, w.t, k.v as word, try_cast(s.v as double) as n
  from entities e join newest d on d.entity = e.entity and d.field = 'done' and d.v = 'true'
  join newest o on o.entity = e.entity and o.field = 'done_at'
  join (select entity, min(st) as st, arg_min(ord, st) as ord, arg_min(t, st) as t
    from writes where field = 'done' and v = 'true' group by entity) w on w.entity = e.entity
  join newest k on k.entity = e.entity and k.field = 'kind'
  left join newest s on s.entity = e.entity and s.field = 'duration_s'
  where e.type = 'activity';
insert into facts select d.entity, 'activity', d.at, d.ord, d.t + $settle, null, null, null, d.word, d.n from done d;
insert into facts
  select e.entity, 'due', instant(p.v), w.ord, w.t + $settle, null, null, null, null, if(d.entity is null, 0, 1)
  from entities e join newest p on p.entity = e.entity and p.field = 'planned_at'
  join (select entity, v, arg_min(ord, st) as ord, arg_min(t, st) as t
    from writes where field = 'planned_at' group by entity, v) w on w.entity = e.entity and w.v = p.v
  left join done d on d.entity = e.entity
  where e.type = 'activity' and e.entity not in
    (select entity from newest where field = 'outcome' and v = 'rescheduled');

insert into facts
  select entity, if(type = 'touch', 'touch', m.v), created, born_ord, born_t + $settle, null, null, null,
    if(type = 'touch', k.v, null), try_cast(s.v as double)
  from entities left join (select entity, v from newest where field = 'metric') m using (entity)
  left join (select entity, v from newest where field = 'kind') k using (entity)
  left join (select entity, v from newest where field = 'score') s using (entity)
  where type in ('touch', 'survey_response');

-- A campaign day is told as a whole: what was said of it last holds.
insert into facts
  select e.entity, if(n.field = 'spend', 'spend', 'ad_' || n.field), midnight(right(e.entity, 10)::date),
    9000000000000000000, null, null, n.amount, n.currency, null, try_cast(n.v as double)
  from entities e join newest n on n.entity = e.entity
  where e.type = 'campaign_day' and n.field in ('spend', 'impressions', 'clicks', 'conversions');

create table subscribed as
  with states as (
    select entity, st, ord, t, v in ('trialing', 'incomplete_expired') as waits, v = 'canceled' as over
    from writes where field = 'status' and entity in (select entity from entities where type = 'subscription')),
  paid as (
    select entity, bool_or(waits) as waited, arg_max(waits, st) as waiting,
      arg_min(ord, st) filter (not waits) as ord, arg_min(t, st) filter (not waits) as t
    from states group by entity),
  ends as (select entity, min(st) as st, arg_min(ord, st) as ord, arg_min(t, st) as t from states where over group by entity)
  select p.entity, coalesce(s.at, p.t) as at, if(p.waited, p.ord, s.ord) as ord, if(p.waited, p.t, s.t) as t,
    coalesce(x.at, e.t) as ended, e.st as end_st, e.ord as end_ord, e.t as end_t
  from paid p
  left join (select entity, instant(v) as at, ord, t from newest where field = 'started_at') s using (entity)
  left join (select entity, instant(v) as at from newest where field = 'ended_at') x using (entity)
  left join ends e using (entity)
  where not p.waiting;
insert into facts
  select s.entity, 'started', s.at, s.ord, s.t + $settle, null, m.amount, m.currency, null, null
  from subscribed s asof left join (select * from steps where field = 'mrr') m
    on m.entity = s.entity and m.ord <= s.ord;
insert into facts
  select s.entity, 'ended', s.ended, s.end_ord, s.end_t + $settle, null, m.amount, m.currency, null, s.at
  from subscribed s left join (select * from writes where field = 'mrr') m
    on m.entity = s.entity and (m.t < s.ended or m.st < s.end_st)
  where s.ended is not null
  qualify row_number() over (partition by s.entity order by m.st desc) = 1;
create table prices as
  select s.entity, m.st, m.ord, m.t, m.amount, m.currency, s.at, s.ended,
    lag(m.amount) over w as was, lag(m.currency) over w as was_in
  from subscribed s join writes m on m.entity = s.entity and m.field = 'mrr'
  window w as (partition by s.entity order by m.st);
insert into facts
  select entity, if(amount > was, 'expansion', 'contraction'), t, ord, null, null, abs(amount - was), currency, null, null
  from prices p where was_in = currency and amount <> was and p.t > p.at and (ended is null or p.t < ended);
"""

TRUTH = """
create table running as
  with ends as (select distinct month, midnight(month) as since, midnight(month + interval 1 month) as until from months),
  live as (select s.*, e.month, e.since, e.until from subscribed s join ends e on s.at < e.until and (s.ended is null or s.ended >= e.since)),
  latest as (
    select l.*, m.amount, m.currency from live l left join (select * from writes where field = 'mrr') m
      on m.entity = l.entity and m.t < l.until
    qualify row_number() over (partition by l.entity, l.month order by m.st desc) = 1),
  -- What it brought at the month's start, and the least that it brought in the month.
  opened as (
    select l.entity, l.month, m.amount from live l join prices m on m.entity = l.entity and m.t < l.since
    where l.at < l.since
    qualify row_number() over (partition by l.entity, l.month order by m.st desc) = 1 and m.currency = $currency),
  lows as (
    select l.entity, l.month, min(m.amount) as amount from live l join prices m
      on m.entity = l.entity and m.t >= l.since and m.t < least(l.until, coalesce(l.ended, l.until)) group by all),
  priced as (
    select l.*, o.amount as was, if(l.ended < l.until, 0, l.amount) as kept,
      if(l.ended < l.until, 0, least(o.amount, coalesce(w.amount, o.amount))) as least_of
    from latest l left join opened o using (entity, month) left join lows w using (entity, month))
  select c.field, c.value, p.month,
    count(*) filter (p.ended is null or p.ended >= p.until) as active,
    count(*) filter (p.at < p.since) as opening,
    count(*) filter (p.at < p.since and p.ended < p.until) as churned,
    sum(p.amount) filter ((p.ended is null or p.ended >= p.until) and p.currency = $currency) as mrr,
    sum(p.was)::double as start_mrr, sum(p.kept) filter (p.was is not null) as kept_mrr,
    sum(p.least_of) filter (p.was is not null) as least_mrr
  from priced p join credits c on c.entity = p.entity and c.ord = p.ord and c.until = p.t + $settle
  group by c.field, c.value, p.month;

create table bought as
  select field, value, word as account, entity, month, day, amount from flows where what = 'order' and word is not null;
create table buyers as
  with counts as (
    select b.field, b.value, m.month, b.account, count(*) as n,
      count(*) filter (b.month = m.month) as here, count(*) filter (b.month < m.month) as earlier
    from bought b join (select distinct month from months) m on b.month <= m.month group by all)
  select field, value, month, count(*) as customers, count(*) filter (n >= 2) as repeat,
    count(*) filter (here > 0) as buying, count(*) filter (here > 0 and earlier = 0) as fresh,
    count(*) filter (here > 0 and earlier > 0) as back, count(*) filter (earlier > 0) as before
  from counts group by field, value, month;
-- Who bought on a day lapses so many days later, unless another purchase comes first.
create table leavers as
  with days as (select distinct field, value, account, day from bought),
  gaps as (select *, day + $lapse as at, lead(day) over (partition by field, value, account order by day) as next from days),
  m as (select distinct month, least((month + interval 1 month)::date - 1, $today) as last from months)
  select c.field, c.value, m.month,
    (select count(*) from gaps g where g.field = c.field and g.value = c.value and g.at between m.month and m.last
      and (g.next is null or g.next > g.at)) as lapsed,
    (select count(distinct account) from days d where d.field = c.field and d.value = c.value
      and d.day <= m.last and d.day > m.last - $lapse) as active,
    (select count(distinct account) from days d where d.field = c.field and d.value = c.value
      and d.day < m.month and d.day > m.month - 1 - $lapse) as active_before
  from m cross join (select distinct field, value from bought) c;
create table takings as
  select s.field, s.value, m.month, sum(coalesce(if(f.what = 'order', f.amount, -f.amount), 0)) filter (f.month = m.month) as here,
    sum(if(f.what = 'order', f.amount, -f.amount)) as ever
  from flows f join (select distinct month from months) m on f.month <= m.month
  join segments s using (field, value)
  -- Those of known customers: what a guest buys is nobody's.
  where f.what in ('order', 'order_refund') and f.word is not null and f.currency = $currency group by all;

insert into truth
  with cells as (select m.*, s.field, s.value from months m cross join segments s),
  sums as (
    select field, value, month,
      count(*) filter (what = 'activity') as activities_done,
      count(*) filter (what = 'activity' and word = 'call') as calls,
      count(*) filter (what = 'activity' and word = 'email') as emails,
      count(*) filter (what = 'activity' and word = 'meeting') as meetings,
      count(*) filter (what = 'activity' and word = 'task') as tasks,
      count(*) filter (what = 'activity' and word = 'demo') as demos,
      coalesce(sum(n) filter (what = 'activity' and word = 'call'), 0) / 60 as call_minutes,
      count(n) filter (what = 'activity' and word = 'call') as calls_timed,
      count(*) filter (what = 'due') as activities_due,
      coalesce(sum(n) filter (what = 'due'), 0) as kept,
      count(*) filter (what = 'order') as orders_paid,
      count(*) filter (what = 'order' and word is null) as anonymous,
      count(amount) filter (what = 'order' and currency <> $currency) > 0
        and count(amount) filter (what = 'order' and currency = $currency) = 0 as orders_hollow,
      count(amount) filter (what = 'sold' and currency <> $currency) > 0
        and count(amount) filter (what = 'sold' and currency = $currency) = 0 as sold_hollow,
      count(amount) filter (what = 'won' and currency <> $currency) > 0
        and count(amount) filter (what = 'won' and currency = $currency) = 0 as won_hollow,
      count(amount) filter (what = 'order' and currency = $currency) as orders_priced,
      coalesce(sum(amount) filter (what = 'order' and currency = $currency), 0)::double as ordered,
      coalesce(sum(amount) filter (what = 'order_refund' and currency = $currency), 0)::double as order_refunds,
      sum(amount) filter (what = 'sold' and currency = $currency)::double as sold,
      sum(amount) filter (what = 'listed' and currency = $currency)::double as listed,
      count(*) filter (what = 'invoice') as invoices_paid,
      coalesce(sum(amount) filter (what = 'invoice' and currency = $currency), 0)::double as invoiced,
      coalesce(sum(amount) filter (what = 'invoice_refund' and currency = $currency), 0)::double as invoice_refunds,
      coalesce(sum(amount) filter (what = 'spend' and currency = $currency), 0)::double as spend,
      count(*) filter (what = 'spend') as days,
      coalesce(sum(n) filter (what = 'ad_impressions'), 0) as ad_impressions,
      coalesce(sum(n) filter (what = 'ad_clicks'), 0) as ad_clicks,
      coalesce(sum(n) filter (what = 'ad_conversions'), 0) as ad_conversions,
      count(*) filter (what = 'lead') as leads, count(*) filter (what = 'created') as opened,
      count(*) filter (what = 'won') as won,
      coalesce(sum(amount) filter (what = 'won' and currency = $currency), 0)::double as revenue,
      coalesce(sum(amount) filter (what = 'agreed' and currency = $currency), 0)::double as agreed,
      count(*) filter (what = 'nps') as nps_n,
      count(*) filter (what = 'nps' and n >= 9) as nps_promoters,
      count(*) filter (what = 'nps' and n <= 6) as nps_detractors,
      count(*) filter (what = 'csat') as csat_n, count(*) filter (what = 'csat' and n >= 4) as csat_top,
      avg(n) filter (what = 'ces') as ces,
      avg(n) filter (what = 'lost') as lost_mean, quantile_cont(n, 0.5) filter (what = 'lost') as lost_p50,
      quantile_cont(n, 0.9) filter (what = 'lost') as lost_p90,
      quantile_cont(amount::double, 0.5) filter (what = 'won' and currency = $currency) as size_p50,
      quantile_cont(amount::double, 0.9) filter (what = 'won' and currency = $currency) as size_p90,
      count(*) filter (what = 'touch') as touches,
      count(*) filter (what = 'touch' and word = 'open') as opens,
      count(*) filter (what = 'touch' and word = 'click') as clicks,
      count(*) filter (what = 'touch' and word = 'reply') as replies,
      count(*) filter (what = 'touch' and word = 'visit') as visits,
      count(*) filter (what = 'touch' and word = 'form') as forms,
      count(*) filter (what = 'started') as subscriptions_started,
      count(*) filter (what = 'ended') as subscriptions_ended,
      coalesce(sum(amount) filter (what = 'started' and currency = $currency), 0)::double as new_mrr,
      coalesce(sum(amount) filter (what = 'ended' and currency = $currency), 0)::double as churned_mrr,
      coalesce(sum(amount) filter (what = 'expansion' and currency = $currency), 0)::double as expansion_mrr,
      coalesce(sum(amount) filter (what = 'contraction' and currency = $currency), 0)::double as contraction_mrr
    from flows group by field, value, month),
  joined as (
    select c.field, c.value, c.month, s.* exclude (field, value, month), r.active, r.mrr, r.opening, r.churned, r.start_mrr, r.kept_mrr, r.least_mrr,
      b.customers, b.repeat, b.buying, b.fresh, b.back, b.before, t.here, t.ever, l.lapsed, l.active as staying, l.active_before
    from cells c left join sums s using (field, value, month)
    left join running r on r.field = c.field and r.value = c.value and r.month = c.month
    left join buyers b on b.field = c.field and b.value = c.value and b.month = c.month
    left join leavers l on l.field = c.field and l.value = c.value and l.month = c.month
    left join takings t on t.field = c.field and t.value = c.value and t.month = c.month),
  f as (select * replace (coalesce(spend, 0) as spend, coalesce(days, 0) as days) from joined)
  select * from (from (select field, value, month,
      $counts,
      kept / nullif(activities_due, 0) as completion_rate,
      call_minutes / nullif(calls_timed, 0) as average_call_minutes,
      coalesce(ordered - order_refunds, 0) as order_revenue,
      ordered / nullif(orders_priced, 0) as average_order_value,
      if(orders_hollow, null, order_refunds / nullif(ordered, 0)) as refund_share,
      if(sold_hollow, null, sold / nullif(listed, 0)) as price_realization,
      coalesce(invoiced - invoice_refunds, 0) as invoice_revenue,
      ad_clicks / nullif(ad_impressions, 0) as click_through_rate,
      coalesce(agreed, 0)::double as revenue_at_close, coalesce(revenue - agreed, 0)::double as amended_revenue,
      coalesce(revenue, 0) - spend as revenue_after_spend, if(won_hollow, null, revenue / nullif(spend, 0)) as return_on_ad_spend,
      if(won_hollow, null, (revenue - spend) / nullif(spend, 0)) as roi,
      if(days > 0, spend / nullif(ad_clicks, 0), null) as cost_per_click,
      if(days > 0, spend / nullif(ad_conversions, 0), null) as cost_per_conversion,
      if(days > 0, spend / nullif(leads, 0), null) as cost_per_lead,
      if(days > 0, spend / nullif(opened, 0), null) as cost_per_opportunity,
      if(days > 0, spend / nullif(won, 0), null) as cost_per_sale,
      if(days > 0, spend / nullif(subscriptions_started, 0), null) as cost_per_subscription,
      if(days > 0, spend / nullif(fresh, 0), null) as customer_acquisition_cost,
      100 * (nps_promoters - nps_detractors) / nullif(nps_n, 0) as nps,
      csat_top / nullif(csat_n, 0) as csat, ces::double as ces,
      lost_mean as lost_cycle_length_mean, lost_p50 as lost_cycle_length_p50, lost_p90 as lost_cycle_length_p90,
      size_p50 as deal_size_p50, size_p90 as deal_size_p90,
      clicks / nullif(opens, 0) as click_to_open, replies / nullif(opens, 0) as reply_to_open,
      coalesce(new_mrr + expansion_mrr - contraction_mrr - churned_mrr, 0) as net_new_mrr,
      kept_mrr::double / nullif(start_mrr, 0) as net_revenue_retention, least_mrr::double / nullif(start_mrr, 0) as gross_revenue_retention,
      churned / nullif(opening, 0) as churn_rate,
      1 - churned / nullif(opening, 0) as retention_rate,
      coalesce(active, 0)::double as active_subscriptions, coalesce(mrr, 0)::double as mrr, mrr::double / nullif(active, 0) as average_mrr,
      coalesce(customers, 0)::double as customers, coalesce(fresh, 0)::double as new_customers,
      coalesce(buying, 0)::double as buying_customers, coalesce(back, 0)::double as returning_customers,
      coalesce(repeat, 0)::double as repeat_customers, repeat / nullif(customers, 0) as repeat_purchase_rate,
      (orders_paid - anonymous) / nullif(buying, 0) as purchase_frequency, here::double / nullif(buying, 0) as sales_per_customer,
      back / nullif(before, 0) as customer_retention, coalesce(staying, 0)::double as active_customers,
      coalesce(lapsed, 0)::double as customers_lapsed, lapsed / nullif(active_before, 0) as customer_churn_rate,
      coalesce(anonymous, 0)::double as anonymous_purchases, ever::double / nullif(customers, 0) as revenue_per_customer
    from f)
    unpivot include nulls (truth for kpi in (columns(* exclude (field, value, month)))))
  where kpi in (select kpi from raw);
"""

# How orders grew, less refunds.
TRUTH += """
create table order_sums as
  select field, value, month, sum(if(what = 'order', amount, -amount)) filter (currency = $currency) as net,
    sum(if(what = 'order', amount, -amount)) filter (currency = $currency and day - month <= $today - $running) as elapsed,
    count(amount) filter (what = 'order') > 0 and count(amount) filter (what = 'order' and currency = $currency) = 0 as hollow,
    count(amount) filter (what = 'order' and day - month <= $today - $running) > 0 and count(amount)
      filter (what = 'order' and currency = $currency and day - month <= $today - $running) = 0 as elapsed_hollow
  from flows where what in ('order', 'order_refund') group by field, value, month;
insert into truth
  with cells as (select m.month, s.field, s.value from months m cross join segments s),
  grown as (
    select c.field, c.value, c.month, if(s.hollow, null, coalesce(s.net, 0)) as net,
      nullif(greatest(if(c.month = $running, if(b.elapsed_hollow, null, b.elapsed), if(b.hollow, null, b.net)), 0), 0) as before,
      nullif(greatest(if(c.month = $running, if(q.elapsed_hollow, null, q.elapsed), if(q.hollow, null, q.net)), 0), 0) as quarter_before,
      nullif(greatest(if(c.month = $running, if(y.elapsed_hollow, null, y.elapsed), if(y.hollow, null, y.net)), 0), 0) as year_before
    from cells c left join order_sums s using (field, value, month)
    left join order_sums b on b.field = c.field and b.value = c.value and b.month = c.month - interval 1 month
    left join order_sums q on q.field = c.field and q.value = c.value and q.month = c.month - interval 3 month
    left join order_sums y on y.field = c.field and y.value = c.value and y.month = c.month - interval 12 month)
  select * from (from (select field, value, month, (net - before) / before as order_revenue_growth,
      (net - quarter_before) / quarter_before as order_revenue_growth_quarter,
      (net - year_before) / year_before as order_revenue_growth_year
    from grown)
    unpivot include nulls (truth for kpi in (columns(* exclude (field, value, month)))))
  where kpi in (select kpi from raw);
"""

# What is made of the KPIs above; and what becomes of cohorts that are still open, by Aalen and Johansen
# (won) and by Kaplan and Meier (closed), multiplied out age by age.
YIELDS = """
create table wide as pivot truth on kpi using any_value(truth) group by field, value, month;
create table worked as
  select month, count(*) as days from (
    select month, unnest(generate_series(month, least(month + interval 1 month - interval 1 day, $today), interval 1 day)) as day
    from months) where isodow(day) < 6 group by month;
create table fates as
  select f.field, f.value, f.month, coalesce(civil(c.at), $today) - f.day as age, c.status
  from flows f left join closings c using (entity) where f.what = 'created';
create table curves as
  with ages as (
    select field, value, month, age, count(*) as n, count(*) filter (status = 'won') as won, count(status) as closed
    from fates group by field, value, month, age),
  risks as (select *, sum(n) over (partition by field, value, month order by age desc) as at_risk from ages)
  select *, product(1 - closed / at_risk) over (partition by field, value, month order by age) as open,
    coalesce(product(1 - closed / at_risk) over (partition by field, value, month order by age
      rows between unbounded preceding and 1 preceding), 1) as before
  from risks;
create table incidences as
  select field, value, month, h, max(age) as longest,
    coalesce(sum(before * won / at_risk) filter (age <= h), 0) as share, min(open) filter (age <= h) as left_open
  from curves, (select unnest([30, 60, 90, 180]) as h) group by field, value, month, h;

insert into truth
  select * from (
    select field, value, month, 'win_incidence_' || h || 'd' as kpi, share as truth from incidences
    where longest >= h or left_open < 1e-9
    union all
    select field, value, month, 'time_to_close_p50', min(age) from curves
    where open < 0.5 - 1e-9 and closed > 0 group by field, value, month
    union all
    (from (select field, value, month,
        open_deals * win_rate * average_deal_size / nullif(cycle_length_mean, 0) as sales_velocity,
        if(won_hollow or open_hollow, null, open_pipeline / nullif(greatest(revenue, 0), 0)) as pipeline_to_revenue,
        nullif(activities_done, 0) / nullif(deals_won, 0) as activities_per_win,
        deals_won / nullif(meetings, 0) as wins_per_meeting, deals_won / nullif(demos, 0) as wins_per_demo,
        meetings / nullif(calls, 0) as meetings_per_call, if(won_hollow, null, revenue / nullif(activities_done, 0)) as revenue_per_activity,
        if(won_hollow, null, revenue / nullif(days, 0)) as revenue_per_working_day, deals_won / nullif(days, 0) as deals_won_per_working_day,
        activities_done / nullif(days, 0) as activities_per_working_day
      from wide left join worked using (month) left join (select field, value, month, won_hollow from sums) using (field, value, month)
      left join (select field, value, month, open_hollow from stocks) using (field, value, month))
    unpivot include nulls (truth for kpi in (columns(* exclude (field, value, month))))))
  where kpi in (select kpi from raw);
"""

# Counts and sums that are told as they are.
COUNTS = (
    "activities_done calls emails meetings tasks demos call_minutes activities_due orders_paid order_refunds "
    "invoices_paid invoice_refunds spend ad_impressions ad_clicks ad_conversions nps_promoters nps_detractors "
    "touches opens clicks replies visits forms subscriptions_started subscriptions_ended new_mrr churned_mrr expansion_mrr contraction_mrr"
).split()
TRUTH = TRUTH.replace("$counts", ", ".join(f"coalesce({name}, 0)::double as {name}" for name in COUNTS))
