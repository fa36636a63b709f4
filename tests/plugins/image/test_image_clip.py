"""``clip`` on a tiny CLIP that transformers' own classes build and save, through the code that loads real ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from image_helpers import TEN, rgb
from tiny_clip import SENTENCES
from vicinal import Item, ItemError
from vicinal.errors import DependencyError, PluginError
from vicinal.testing import EncoderContract
from vicinal.types import TextQuery
from vicinal_image.clip import Clip

pytestmark = pytest.mark.usefixtures("no_hub")


def make(model, **params):
    return Clip(Clip.Params(model=str(model), **params))


def encode(encoder, contents):
    return encoder.encode([encoder.decode_query(content)[0].sample for content in contents])


def unit(tensor):
    return torch.nn.functional.normalize(tensor, dim=-1).numpy()


class TestClip(EncoderContract):
    encoder_class = Clip
    good = tuple(TEN[:4])
    bad = (Path("no/such/file.jpg"), Path(__file__), None)

    @pytest.fixture(autouse=True)
    def _model(self, tiny_clip):
        type(self).params = {"model": str(tiny_clip)}
        type(self).variants = (
            {"model": str(tiny_clip), "decode": "exact"},
            {"model": str(tiny_clip), "precision": "fp32"},
        )


class TestVectors:
    def test_images_are_transformers_own(self, tiny_clip):
        from transformers import CLIPModel
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

        prepare = CLIPImageProcessorPil.from_pretrained(tiny_clip)
        pixels = prepare([rgb(path) for path in TEN], return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            expected = unit(CLIPModel.from_pretrained(tiny_clip).eval().get_image_features(pixels).pooler_output)
        encoder = make(tiny_clip, precision="fp32", decode="exact")
        found = encoder.encode([encoder.decode(Item("key", path))[0].sample for path in TEN])
        assert (found * expected).sum(1).min() >= 0.9999

    def test_sentences_are_transformers_own(self, tiny_clip):
        from transformers import AutoTokenizer, CLIPModel

        model = CLIPModel.from_pretrained(tiny_clip).eval()
        tokens = AutoTokenizer.from_pretrained(tiny_clip)(
            SENTENCES, padding=True, truncation=True, max_length=77, return_tensors="pt"
        )
        with torch.inference_mode():
            expected = unit(model.get_text_features(**tokens).pooler_output)
        found = encode(make(tiny_clip), SENTENCES)
        assert found.dtype == np.float32
        assert (found * expected).sum(1).min() >= 0.99999

    def test_images_and_sentences_may_be_mixed(self, tiny_clip):
        encoder = make(tiny_clip)
        mixed = [TEN[0], SENTENCES[0], TEN[1], SENTENCES[1]]
        alone = np.concatenate([encode(encoder, [content]) for content in mixed])
        assert np.allclose(encode(encoder, mixed), alone, atol=1e-3)

    def test_auto_stays_true(self, tiny_clip):
        exact, found = (encode(make(tiny_clip, precision=each), TEN) for each in ("fp32", "auto"))
        assert (exact * found).sum(1).min() >= 0.9995

    def test_vectors_are_golden(self, tiny_clip):
        encoder = make(tiny_clip, precision="fp32", decode="exact")
        image, sentence = encode(encoder, [TEN[5], SENTENCES[0]])
        assert image[:6] == pytest.approx([-0.1229, -0.1527, -0.4565, -0.2162, -0.2824, 0.184], abs=2e-4)
        assert sentence[:6] == pytest.approx([0.0427, 0.0428, 0.458, 0.1131, 0.1145, 0.0683], abs=2e-4)


class TestQueries:
    def test_a_file_is_an_image_and_any_other_text_a_sentence(self, tiny_clip, tmp_path, monkeypatch):
        encoder = make(tiny_clip)
        shutil.copy(TEN[0], tmp_path / "a cat")
        monkeypatch.chdir(tmp_path)
        for image in (str(TEN[0]), TEN[0], TEN[0].read_bytes(), Image.open(TEN[0]), "a cat"):
            assert encoder.decode_query(image)[0].sample.shape == (32, 32, 3)
        for sentence in ("a dog", "text:a cat", "text:" + str(TEN[0]), "x " * 3_000, "what about cat.jpg, though"):
            sample = encoder.decode_query(sentence)[0].sample
            assert isinstance(sample, TextQuery)
            assert sample == sentence.removeprefix("text:")

    @pytest.mark.parametrize(
        ("query", "reason"),
        [
            ("", "empty"),
            ("text: ", "empty"),
            ("photos/cat.jpg", "no file photos/cat.jpg; write text:photos/cat.jpg"),
            (str(Path(__file__)), "no image"),
            ("x" * 10_001, "10,001 characters"),
        ],
    )
    def test_what_is_refused(self, tiny_clip, query, reason):
        with pytest.raises(ItemError, match=reason):
            make(tiny_clip).decode_query(query)


class TestFiles:
    def test_a_model_must_be_named(self):
        with pytest.raises(ValidationError, match="model"):
            Clip.Params()

    def test_weights_that_cannot_be_had(self, tmp_path):
        with pytest.raises(DependencyError) as caught:
            _ = make("openai/clip-vit-base-patch32").signature
        assert "openai/clip-vit-base-patch32 are not on this machine (HF_HUB_OFFLINE forbids" in str(caught.value)
        for part in (
            str(tmp_path / "hub" / "hub" / "models--openai--clip-vit-base-patch32"),
            "`model:`",
            "efficientnet_lite0",
        ):
            assert part in caught.value.hint

    def test_a_model_in_the_cache_is_found(self, tiny_clip, tmp_path):
        folder = tmp_path / "hub" / "hub" / "models--someone--tiny"
        (folder / "refs").mkdir(parents=True)
        (folder / "refs" / "main").write_text("abc")
        shutil.copytree(tiny_clip, folder / "snapshots" / "abc")
        assert make("someone/tiny").signature == make(tiny_clip).signature

    def test_a_folder_without_weights(self, tmp_path):
        with pytest.raises(DependencyError, match="holds no weights"):
            _ = make(tmp_path).space
        with pytest.raises(DependencyError, match="no such folder"):
            _ = make(tmp_path / "none").space

    def test_a_model_of_another_kind(self, tiny_clip, tmp_path):
        folder = shutil.copytree(tiny_clip, tmp_path / "bert")
        (folder / "config.json").write_text('{"model_type": "bert"}')
        with pytest.raises(PluginError, match=r"is no CLIP: its config\.json says bert"):
            _ = make(folder).signature

    def test_a_preparation_that_is_not_clips(self, tiny_clip, tmp_path):
        folder = shutil.copytree(tiny_clip, tmp_path / "odd")
        (folder / "preprocessor_config.json").write_text('{"do_center_crop": false}')
        with pytest.raises(PluginError, match="preparation of pictures"):
            _ = make(folder).signature

    def test_the_signature_follows_the_weights(self, tiny_clip, tmp_path):
        folder = shutil.copytree(tiny_clip, tmp_path / "other")
        data = bytearray((folder / "model.safetensors").read_bytes())
        data[-1] ^= 1
        (folder / "model.safetensors").write_bytes(data)
        assert make(folder).signature != make(tiny_clip).signature
        assert make(folder).space == make(tiny_clip).space


def test_a_collection_is_searched_by_a_sentence_and_by_a_picture(tiny_clip, lite):
    folder = lite.folder / "pictures"
    folder.mkdir()
    for path in TEN:
        shutil.copy(path, folder)
    solution = lite.solution(
        "pictures", encoder=f"{{type: clip, model: '{tiny_clip}'}}", source="{type: folder, path: pictures}"
    )
    assert solution.ingest().rows == 10
    encoder = solution.encoder
    stored = encode(encoder, TEN)

    def order(query):
        nearness = stored @ encode(encoder, [query])[0]
        return [TEN[row].name for row in np.argsort(-nearness)]

    for sentence in ("a red balloon", "text:mountains.jpg", "text:balloons"):
        assert [hit.key for hit in solution.search(sentence)] == order(sentence)
    for picture in (TEN[0], str(TEN[8])):
        assert [hit.key for hit in solution.search(picture)] == order(picture)
        assert solution.search(picture, limit=1)[0].similarity == pytest.approx(1, abs=1e-3)
