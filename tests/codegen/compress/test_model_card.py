"""The model card states what was measured and the terms of the weights."""

from __future__ import annotations

from tinyanime.codegen.compress.config import QuantizationConfig, TrainingConfig
from tinyanime.codegen.compress.evaluation import Evaluation, Similarity
from tinyanime.codegen.compress.layers import StudentCost
from tinyanime.codegen.compress.model_card import ModelFacts, write_model_card


def test_the_card_prints_every_figure_and_the_licence() -> None:
    evaluation = Evaluation(
        photos=41,
        identity=Similarity(21.01, 0.8011),
        affine=Similarity(22.02, 0.8222),
        int8=Similarity(28.03, 0.9333),
        float32=Similarity(28.14, 0.9444),
        int8_to_float=Similarity(45.55, 0.9955),
    )
    facts = ModelFacts(
        name="anime128",
        version="1",
        sha256="ab" * 32,
        file_bytes=476_649,
        cost=StudentCost(452_828, 716_046_336, 454_832),
        evaluation=evaluation,
        training=TrainingConfig(seed=9, whole_picture_iterations=3_210),
        quantization=QuantizationConfig(),
        training_pairs=2935,
        training_minutes=41.4,
    )
    card = write_model_card(facts)
    for expected in (
        "| photo untouched (identity) | 21.01 | 0.8011 |",
        "| affine colour fit | 22.02 | 0.8222 |",
        "| student, int8 | 28.03 | 0.9333 |",
        "| int8 against float32 | 45.55 | 0.9955 |",
        "716,046,336",
        "454,832 bytes",
        "ab" * 32,
        "CC BY-NC-SA 4.0",
        "Xinrui Wang",
        "2. 3,210 iterations",
        "41 minutes",
        "--seed 9",
    ):
        assert expected in card
