import torch
from torch import nn

from metagan.nets.upsampling import SmoothPixelShuffle


def test_four_channels_that_differ_leave_no_stripes() -> None:
    maps = torch.tensor([3.0, -1.0, 0.5, 7.0]).view(1, 4, 1, 1).expand(1, 4, 6, 6)

    drawn = SmoothPixelShuffle()(maps)

    assert drawn.shape == (1, 1, 12, 12)
    torch.testing.assert_close(drawn[..., 1:-1, 1:-1], torch.full((1, 1, 10, 10), 9.5 / 4))


def test_one_bright_pixel_by_hand() -> None:
    maps = torch.zeros(1, 8, 3, 3)
    maps[0, 4, 1, 1] = 16.0  # second map, upper left of the four pixels at (2, 2)

    drawn = SmoothPixelShuffle()(maps)

    assert not drawn[0, 0].any()
    torch.testing.assert_close(drawn[0, 1, 1:4, 1:4], torch.tensor([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]))
    assert drawn.sum() == 16.0


def test_a_pattern_of_two_pixels_does_not_pass_in_any_direction() -> None:
    rows = torch.tensor([1.0, -1.0]).repeat(4)
    for pattern in (rows[:, None].expand(8, 8), rows.expand(8, 8), torch.outer(rows, rows)):
        packed = nn.functional.pixel_unshuffle(pattern[None, None], 2)
        torch.testing.assert_close(SmoothPixelShuffle()(packed)[..., 1:-1, 1:-1], torch.zeros(1, 1, 6, 6))
