"""What a prompt is measured on: data sets, their splits, metrics and the objective."""
