"""Fraud detection: transactions with a time, an amount, and the entities that take part in them.

Importing this makes the Auto classes of transformers know the model, which is what loading a saved
one needs: `import toolkit_plugins.tabular.fraud_detection`.
"""

from __future__ import annotations

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForPreTraining,
    AutoModelForSequenceClassification,
)

from toolkit_plugins.tabular.fraud_detection.masked import TransactionForMaskedFields
from toolkit_plugins.tabular.fraud_detection.plugin import FraudDetection
from toolkit_plugins.tabular.fraud_detection.processor import TransactionProcessor
from toolkit_plugins.tabular.transformer import (
    TransactionConfig,
    TransactionForSequenceClassification,
    TransactionModel,
)

__all__ = [
    "FraudDetection",
    "TransactionConfig",
    "TransactionForMaskedFields",
    "TransactionForSequenceClassification",
    "TransactionModel",
    "TransactionProcessor",
]

AutoConfig.register(TransactionConfig.model_type, TransactionConfig, exist_ok=True)
AutoModel.register(TransactionConfig, TransactionModel, exist_ok=True)
AutoModelForPreTraining.register(TransactionConfig, TransactionForMaskedFields, exist_ok=True)
AutoModelForSequenceClassification.register(
    TransactionConfig, TransactionForSequenceClassification, exist_ok=True
)
