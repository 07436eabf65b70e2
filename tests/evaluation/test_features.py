from __future__ import annotations

import numpy as np
import pytest
import torch

from metagan.evaluation.features import as_float64, as_pair, blank_where_diverged, distances, embed_images


def test_embedding_keeps_the_order_of_images_across_batches() -> None:
    images = torch.arange(2 * 3 * 5, dtype=torch.float32).reshape(2, 3, 5, 1, 1, 1)
    features = embed_images(lambda batch: batch.flatten(1) * torch.tensor([1.0, -1.0]), images, batch_size=4)
    assert features.shape == (2, 3, 5, 2)
    np.testing.assert_array_equal(features[..., 0], images[..., 0, 0, 0])
    np.testing.assert_array_equal(features[..., 1], -images[..., 0, 0, 0])


def test_embedding_records_no_gradients() -> None:
    weight = torch.ones(1, requires_grad=True)
    assert isinstance(embed_images(lambda batch: batch.flatten(1) * weight, torch.ones(2, 1, 1, 1)), np.ndarray)


def test_only_diverged_images_become_black() -> None:
    images = torch.ones(2, 2, 1, 2, 2)
    images[0, 1, 0, 1, 1] = torch.nan
    images[1, 0, 0, 0, 0] = -torch.inf
    expected = torch.tensor([[1.0, 0.0], [0.0, 1.0]])[..., None, None, None].expand(images.shape)
    torch.testing.assert_close(blank_where_diverged(images), expected)


def test_tensors_and_arrays_become_float64() -> None:
    values = np.array([[0.1, 0.2]], dtype=np.float32)
    for features in (values, torch.from_numpy(values).requires_grad_()):
        assert as_float64(features).dtype == np.float64
        np.testing.assert_array_equal(as_float64(features), values)


def test_features_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="must be finite: 1 of 4 are not"):
        as_float64(np.array([[1.0, np.nan], [0.0, 1.0]]))


@pytest.mark.parametrize("shape", [(4, 3), (5, 2), (5, 3, 1)])
def test_pairs_of_different_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"one shape, not .* and \(5, 3\)"):
        as_pair(np.zeros(shape), np.zeros((5, 3)))


def test_distances_by_hand() -> None:
    np.testing.assert_allclose(distances(np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[3.0, 4.0]])), [[5.0], [0.0]])


def test_an_image_is_at_distance_zero_from_its_copy() -> None:
    points = 1e6 + np.random.default_rng(0).random((40, 64))
    assert (np.diag(distances(points, points)) == 0).all()
