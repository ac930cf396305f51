"""Moduli and sums of cubes with gradients formed by hand, against torch's own in float64."""

import pytest
import torch

from graphtune.objectives.penalties import modulus, sums_of_cubes


@pytest.mark.parametrize("call", [modulus, sums_of_cubes])
@pytest.mark.parametrize("shape", [(5, 8), (0, 4), (3, 2, 6)])
def test_kernels_are_torchs(call, shape):
    rows = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    if len(rows):
        rows[0] = 0.0
    rows.requires_grad_()
    double = rows.detach().double().requires_grad_()  # which takes plain torch
    found, right = call(rows), call(double)
    weight = torch.rand(found.shape, generator=torch.Generator().manual_seed(1))
    (ours,) = torch.autograd.grad((found * weight).sum(), rows)
    (theirs,) = torch.autograd.grad((right * weight.double()).sum(), double)
    torch.testing.assert_close(found.double(), right, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours.double(), theirs, rtol=1e-5, atol=1e-6)


def test_a_cube_by_hand():
    rows = torch.tensor([[3.0, -1.0, 4.0, 0.0]], requires_grad=True)  # moduli 5 and 1
    (total,) = sums_of_cubes(modulus(rows))
    assert total.item() == pytest.approx(126.0)
    (gradient,) = torch.autograd.grad(total, rows)
    torch.testing.assert_close(gradient, torch.tensor([[45.0, -3.0, 60.0, 0.0]]))  # 3 |z| (re, im)


def test_plain_rows_are_cubed_by_size():
    assert sums_of_cubes(torch.tensor([[-2.0, 1.0]])).item() == 9.0
