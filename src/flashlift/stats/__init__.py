"""Pure numerics, no shop words. Import what you need from its files, so that nothing heavy is loaded unasked.

- `moments`: sufficient statistics that merge with `+`
- `grouped_moments`: the same of every group of a table of any size, in one pass
- `ratios`: ratios of means and their gradients
- `comparison`: difference of means and ratios (Welch, delta method), with covariates (CUPED), strata, before and after
- `multiplicity`: p-values adjusted for being several (Holm, Benjamini-Hochberg)
- `totals`: effects on totals of units of very unequal size
- `randomization`: tests and intervals from the lot alone
- `power`: power, sample size, minimum detectable effect
- `sandwich`: covariance of estimates from rows in clusters
- `ratio_check`: sample-ratio mismatch
- `bootstrap`: percentile intervals of any statistic over units
- `group_sequential`: boundaries for repeated looks at a test with a planned end (alpha spending), power, sample size
- `stagewise`: estimate, interval and p-value after such a test stopped
- `confidence_sequence`: intervals that hold at every look, whenever one stops
- `sequential_ratio`: sample-ratio mismatch, asked at every look
- `normal`: the normal quantile of intervals, Student's t on the normal scale
- `mean_interval`: mean, error and interval of one contribution per unit
- `empirical_bernstein`: intervals of bounded values that hold at any size
- `off_policy`: value of a policy from rounds that another one chose
- `calibration`: probabilities that mean what they say
"""
