"""Where tasks come from: image sources, class-disjoint splits, the task bank, and task sampling."""
