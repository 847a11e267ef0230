"""Pure numerics, no shop words. Import what you need from its files, so that nothing heavy is loaded unasked.

- `moments`: sufficient statistics that merge with `+`
- `comparison`: difference of means (Welch), covariate adjustment (CUPED), relative effect (delta method)
- `totals`: effects on totals of units of very unequal size
- `randomization`: tests and intervals from the lot alone
- `power`: power, sample size, minimum detectable effect
- `sandwich`: covariance of estimates from rows in clusters
- `ratio_check`: sample-ratio mismatch
- `bootstrap`: percentile intervals of any statistic over units
- `normal`: the normal quantile of intervals
- `calibration`: probabilities that mean what they say
"""
