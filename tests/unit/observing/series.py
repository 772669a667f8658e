from segue_worker.observing.metrics.registry import METRICS


def series_names() -> set[str]:
    """Every name a query may use: a histogram stands for three series."""
    names: set[str] = set()
    for metric in METRICS:
        if metric.kind == "histogram":
            names |= {f"{metric.name}_{suffix}" for suffix in ("bucket", "sum", "count")}
        else:
            names.add(metric.name)
    return names
