"""Pure numerics, no shop words. Import what you need from its files, so that nothing heavy is loaded unasked.

- `moments`: sufficient statistics that merge with `+`
- `comparison`: difference of means (Welch), covariate adjustment (CUPED), relative effect (delta method)
- `power`: power, sample size, minimum detectable effect
- `sandwich`: covariance of estimates from rows in clusters
- `ratio_check`: sample-ratio mismatch
- `bootstrap`: percentile intervals of any statistic over units
- `mean_interval`: mean, error and interval of one contribution per unit
- `empirical_bernstein`: intervals of bounded values that hold at any size
- `off_policy`: value of a policy from rounds that another one chose
- `normal`: the normal quantile of intervals
- `calibration`: probabilities that mean what they say
"""
