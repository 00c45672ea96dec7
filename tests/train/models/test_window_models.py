"""Window models: shapes, published sizes, and pretrained weights."""

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from safetensors.torch import save_file
from tflite_file import write_tflite
from torch import Tensor

from anura_edge.errors import ModelError
from anura_train.models import build_network, load_pretrained
from anura_train.models.ast_net import AstNet, resample_positions
from anura_train.models.cnn import Cnn
from anura_train.models.settings import CnnSettings, ModelSettings
from anura_train.models.window import WindowNet

MEL = {"kind": "mel", "window_samples": 512, "hop_samples": 128, "mels": 64, "height": 64, "width": 96}
CNN = {"kind": "cnn", "network": "resnet18", "features": {"kind": "mean_subtracted"}, "dropout": 0.0}
AST = {"kind": "ast", "size": "tiny", "stride": 16, "mean": -4.2677393, "std": 4.5689974, "dropout": 0.0}
CRNN = {"kind": "crnn", "width": 8, "hidden": 16, "dropout": 0.0}
NETWORKS = CnnSettings.model_fields["network"].annotation.__args__  # type: ignore[union-attr]


def settings(values: dict[str, Any], **changes: Any) -> ModelSettings:
    parsed: ModelSettings = TypeAdapter(ModelSettings).validate_python(values | changes)
    return parsed


def sketch(values: ModelSettings, labels: int = 3) -> WindowNet:
    """A network without values, only shapes, so that large ones need no memory."""
    with torch.device("meta"):
        net = build_network(values, labels)
    assert isinstance(net, WindowNet)
    return net.eval()


def made(values: ModelSettings, labels: int = 3) -> WindowNet:
    torch.manual_seed(0)
    net = build_network(values, labels)
    assert isinstance(net, WindowNet)
    return net.eval()


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("dense", [[], [256], [256, 128]])
def test_image_network_returns_one_frame_of_logits(network: str, dense: list[int]) -> None:
    net = sketch(settings(CNN, network=network, dense=dense, features=MEL | {"height": 128, "width": 128}))
    assert net.frame_logits(torch.empty(2, 517, 64, device="meta")).shape == (2, 1, 3)


@pytest.mark.parametrize(
    ("size", "stride", "positions", "millions"),
    [("base", 10, 2 + 12 * 29, 85.6), ("base", 16, 2 + 8 * 18, 85.4), ("small", 10, 350, 21.5), ("tiny", 16, 146, 5.4)],
)
def test_ast_has_the_published_size(size: str, stride: int, positions: int, millions: float) -> None:
    body = sketch(settings(AST, size=size, stride=stride), labels=42).body
    assert isinstance(body, AstNet)
    assert body.pos_embed.shape[1] == positions
    assert sum(weight.numel() for weight in body.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)


def test_published_resnet_keeps_its_imagenet_head() -> None:
    body = sketch(settings(CNN, imagenet_head=True), labels=42).body
    assert isinstance(body, Cnn)
    assert [layer.weight.shape for layer in body.head] == [(42, 1_000)]  # type: ignore[union-attr]


@pytest.mark.parametrize("values", [CNN, CNN | {"features": MEL, "dense": [8]}, AST, CRNN])
def test_every_parameter_has_a_gradient(values: dict[str, Any]) -> None:
    net = made(settings(values)).train()
    features = net.features(torch.randn(2, net.window_samples) * 0.1)
    net.frame_logits(features).square().mean().backward()  # type: ignore[no-untyped-call]
    assert [name for name, weight in net.named_parameters() if weight.grad is None] == []


@pytest.mark.parametrize("values", [CNN | {"features": MEL}, AST, CRNN])
def test_examples_of_a_batch_are_independent(values: dict[str, Any]) -> None:
    net = made(settings(values))
    audio = torch.randn(2, net.window_samples) * 0.1
    with torch.no_grad():
        assert torch.allclose(net(audio)[:1], net(audio[:1]), atol=1e-5)


def deit(positions: int, colours: int) -> dict[str, Tensor]:
    """Weights with the names and shapes of the published DeiT-tiny and of AST."""
    width = 192
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, width),
        "dist_token": (1, 1, width),
        "pos_embed": (1, 2 + positions, width),
        "patch_embed.proj.weight": (width, colours, 16, 16),
        "patch_embed.proj.bias": (width,),
        "norm.weight": (width,),
        "norm.bias": (width,),
        "head.weight": (1_000, width),
        "head.bias": (1_000,),
        "head_dist.weight": (1_000, width),
        "head_dist.bias": (1_000,),
    }
    for block in range(12):
        for name, shape in {
            "norm1": (width,),
            "attn.qkv": (3 * width, width),
            "attn.proj": (width, width),
            "norm2": (width,),
            "mlp.fc1": (4 * width, width),
            "mlp.fc2": (width, 4 * width),
        }.items():
            shapes[f"blocks.{block}.{name}.weight"] = shape
            shapes[f"blocks.{block}.{name}.bias"] = shape[:1]
    return {name: torch.randn(shape) for name, shape in shapes.items()}


def audioset(positions: int) -> dict[str, Tensor]:
    """Like `audioset_10_10_0.4593.pth`: a DeiT under `module.v.`, and a head of 527 classes."""
    weights = {f"module.v.{name}": value for name, value in deit(positions, colours=1).items()}
    head = {"0.weight": (192,), "0.bias": (192,), "1.weight": (527, 192), "1.bias": (527,)}
    return weights | {f"module.mlp_head.{name}": torch.randn(shape) for name, shape in head.items()}


def test_ast_loads_audioset_weights_and_crops_positions(tmp_path: Path) -> None:
    weights, path = audioset(12 * 101), tmp_path / "audioset_10_10.pth"
    torch.save(weights, path)
    wanted = settings(AST, stride=10, pretrained=str(path))
    net = made(wanted)
    load_pretrained(net, wanted)
    assert isinstance(net.body, AstNet)
    assert torch.equal(net.body.blocks[11].mlp.fc2.weight, weights["module.v.blocks.11.mlp.fc2.weight"])
    theirs = weights["module.v.pos_embed"]
    assert torch.equal(net.body.pos_embed[:, :2], theirs[:, :2])
    ours = net.body.pos_embed[0, 2:].unflatten(0, (12, 29))
    assert torch.equal(ours, theirs[0, 2:].unflatten(0, (12, 101))[:, 36:65])


@pytest.mark.parametrize(("stride", "columns", "rows"), [(10, 29, 12), (16, 18, 8)])
def test_ast_loads_imagenet_weights(tmp_path: Path, stride: int, columns: int, rows: int) -> None:
    weights, path = deit(24 * 24, colours=3), tmp_path / "deit.pth"
    torch.save({"model": weights}, path)
    wanted = settings(AST, stride=stride, pretrained=str(path))
    net = made(wanted)
    load_pretrained(net, wanted)
    assert isinstance(net.body, AstNet)
    assert net.body.grid == (rows, columns)
    assert torch.equal(net.body.patch_embed.proj.weight, weights["patch_embed.proj.weight"].sum(1, keepdim=True))
    assert net.body.pos_embed.std() > 0.3


def test_positions_of_equal_grid_are_unchanged() -> None:
    grid = torch.randn(1, 4, 12, 101)
    assert torch.equal(resample_positions(grid, 12, 101), grid)


def test_cnn_loads_imagenet_weights(tmp_path: Path) -> None:
    source = made(settings(CNN, features=MEL), labels=1_000).body
    assert isinstance(source, Cnn)
    path = tmp_path / "resnet18.safetensors"
    save_file(source.network.state_dict(), path)
    for changes in ({}, {"features": MEL}, {"imagenet_head": True, "features": MEL}, {"dense": [8]}):
        wanted = settings(CNN, pretrained=str(path), **changes)
        net = made(wanted)
        with torch.no_grad():
            for weight in net.parameters():
                weight.zero_()
        load_pretrained(net, wanted)
        assert isinstance(net.body, Cnn)
        assert torch.equal(net.body.network.layer4[1].conv2.weight, source.network.layer4[1].conv2.weight)
        assert net.body.network.conv1.weight.any()
        if "imagenet_head" in changes:
            assert torch.equal(net.body.network.fc.weight, source.network.fc.weight)


class Harm:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (open, ("harmed", "w"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not weights", "cannot read pretrained weights"),
        (None, "cannot read pretrained weights"),
        (Harm(), "cannot read pretrained weights"),
        ({"epoch": 3}, "does not map names to tensors"),
        ({"conv1.weight": torch.zeros(1)}, "contains no patch transformer"),
        (deit(100 * 3, 3), "300 positions"),
        ({**deit(576, 3), "norm.weight": torch.zeros(768)}, r"norm.weight has shape \\(768,\\), the network needs"),
        ({"pos_embed": torch.zeros(1, 578, 192), "patch_embed.proj.weight": torch.zeros(192, 3, 16, 16)}, "lacks"),
    ],
)
def test_wrong_weights_are_refused_by_name(
    tmp_path: Path, content: object, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    wanted = settings(AST, pretrained=str(path))
    with pytest.raises(ModelError, match=message.replace("\\\\", "\\")):
        load_pretrained(made(wanted), wanted)
    assert not (tmp_path / "harmed").exists()


YAMNET = {"kind": "yamnet", "dropout": 0.0}


def test_yamnet_has_published_size_and_frame_rate() -> None:
    net = sketch(settings(YAMNET), labels=521)
    assert sum(each.numel() for each in net.body.parameters()) == 3_729_481
    assert net.frame_logits(torch.empty(2, 96, 64, device="meta")).shape == (2, 1, 521)
    assert net.frame_logits(torch.empty(2, 298, 64, device="meta")).shape == (2, 8, 521)


def test_yamnet_scores_do_not_depend_on_level() -> None:
    net = made(settings(YAMNET))
    audio = 0.1 * torch.randn(1, 3 * net.rate_hz)
    with torch.no_grad():
        torch.testing.assert_close(net(audio), net(0.05 * audio), rtol=1e-4, atol=1e-5)
        assert net(torch.zeros(1, 3 * net.rate_hz)).isfinite().all()


def test_yamnet_file_is_read_exactly(tmp_path: Path) -> None:
    net, other = made(settings(YAMNET)), build_network(settings(YAMNET), 3)
    path = write_tflite(tmp_path / "yamnet.tflite", net.body)
    load_pretrained(other, settings(YAMNET, pretrained=str(path)))
    for name, value in net.body.state_dict().items():
        if name.startswith("layers"):
            # int8 kernels: the error is half a step of each channel.
            torch.testing.assert_close(other.state_dict()[f"body.{name}"], value, rtol=0, atol=value.abs().max() / 250)


@pytest.mark.parametrize("content", [b"", b"not a model", bytes(64), b"\x1c\x00\x00\x00TFL3" + bytes(40)])
def test_other_file_than_yamnet_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "yamnet.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"yamnet\.tflite"):
        load_pretrained(build_network(settings(YAMNET), 3), settings(YAMNET, pretrained=str(path)))
