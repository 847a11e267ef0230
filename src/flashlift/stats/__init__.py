"""Pure numerics, no shop words. Import what you need from its files, so that nothing heavy is loaded unasked.

- `moments`: sufficient statistics that merge with `+`
- `grouped_moments`: the same of every group of a table of any size, in one pass
- `ratios`: ratios of means and their gradients
- `comparison`: difference of means and ratios (Welch, delta method), with covariates (CUPED), strata, before and after
- `multiplicity`: p-values adjusted for being several (Holm, Benjamini-Hochberg)
- `power`: power, sample size, minimum detectable effect
- `sandwich`: covariance of estimates from rows in clusters
- `ratio_check`: sample-ratio mismatch
- `bootstrap`: percentile intervals of any statistic over units
- `normal`: the normal quantile of intervals
- `calibration`: probabilities that mean what they say
"""
