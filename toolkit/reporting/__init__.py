"""From a run's folder to what people read: terminal summary and model card."""
