"""``clip`` on a tiny CLIP that transformers' own classes build and save, through the code that loads real ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from image_helpers import SAMPLE_IMAGES, load_rgb
from tiny_clip import SENTENCES
from vicinal import Item, ItemError
from vicinal.errors import DependencyError, PluginError
from vicinal.testing import EncoderContract
from vicinal.types import TextQuery
from vicinal_image.clip import Clip

pytestmark = pytest.mark.usefixtures("no_hub")


def make_clip(model, **params):
    return Clip(Clip.Params(model=str(model), **params))


def encode_queries(encoder, contents):
    return encoder.encode([encoder.decode_query(content)[0].sample for content in contents])


def normalized(tensor):
    return torch.nn.functional.normalize(tensor, dim=-1).numpy()


class TestClip(EncoderContract):
    encoder_class = Clip
    good = tuple(SAMPLE_IMAGES[:4])
    bad = (Path("no/such/file.jpg"), Path(__file__), None)

    @pytest.fixture(autouse=True)
    def _model(self, tiny_clip):
        type(self).params = {"model": str(tiny_clip)}
        type(self).variants = (
            {"model": str(tiny_clip), "decode": "exact"},
            {"model": str(tiny_clip), "precision": "fp32"},
        )


class TestVectors:
    def test_image_vectors_equal_transformers(self, tiny_clip):
        from transformers import CLIPModel
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

        prepare = CLIPImageProcessorPil.from_pretrained(tiny_clip)
        pixels = prepare([load_rgb(path) for path in SAMPLE_IMAGES], return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            expected = normalized(CLIPModel.from_pretrained(tiny_clip).eval().get_image_features(pixels).pooler_output)
        encoder = make_clip(tiny_clip, precision="fp32", decode="exact")
        found = encoder.encode([encoder.decode(Item("key", path))[0].sample for path in SAMPLE_IMAGES])
        assert (found * expected).sum(1).min() >= 0.9999

    def test_sentence_vectors_equal_transformers(self, tiny_clip):
        from transformers import AutoTokenizer, CLIPModel

        model = CLIPModel.from_pretrained(tiny_clip).eval()
        tokens = AutoTokenizer.from_pretrained(tiny_clip)(
            SENTENCES, padding=True, truncation=True, max_length=77, return_tensors="pt"
        )
        with torch.inference_mode():
            expected = normalized(model.get_text_features(**tokens).pooler_output)
        found = encode_queries(make_clip(tiny_clip), SENTENCES)
        assert found.dtype == np.float32
        assert (found * expected).sum(1).min() >= 0.99999

    def test_images_and_sentences_in_one_call(self, tiny_clip):
        encoder = make_clip(tiny_clip)
        mixed = [SAMPLE_IMAGES[0], SENTENCES[0], SAMPLE_IMAGES[1], SENTENCES[1]]
        alone = np.concatenate([encode_queries(encoder, [content]) for content in mixed])
        assert np.allclose(encode_queries(encoder, mixed), alone, atol=1e-3)

    def test_auto_precision_matches_float32(self, tiny_clip):
        exact, found = (
            encode_queries(make_clip(tiny_clip, precision=each), SAMPLE_IMAGES) for each in ("fp32", "auto")
        )
        assert (exact * found).sum(1).min() >= 0.9995

    def test_golden_vectors(self, tiny_clip):
        encoder = make_clip(tiny_clip, precision="fp32", decode="exact")
        image, sentence = encode_queries(encoder, [SAMPLE_IMAGES[5], SENTENCES[0]])
        assert image[:6] == pytest.approx([-0.1229, -0.1527, -0.4565, -0.2162, -0.2824, 0.184], abs=2e-4)
        assert sentence[:6] == pytest.approx([0.0427, 0.0428, 0.458, 0.1131, 0.1145, 0.0683], abs=2e-4)


class TestQueries:
    def test_query_is_an_image_if_it_is_a_file_else_a_sentence(self, tiny_clip, tmp_path, monkeypatch):
        encoder = make_clip(tiny_clip)
        shutil.copy(SAMPLE_IMAGES[0], tmp_path / "a cat")
        monkeypatch.chdir(tmp_path)
        path = SAMPLE_IMAGES[0]
        for image in (str(path), path, path.read_bytes(), Image.open(path), "a cat"):
            assert encoder.decode_query(image)[0].sample.shape == (32, 32, 3)
        for sentence in ("a dog", "text:a cat", f"text:{path}", "x " * 3_000, "what about cat.jpg, though"):
            sample = encoder.decode_query(sentence)[0].sample
            assert isinstance(sample, TextQuery)
            assert sample == sentence.removeprefix("text:")

    @pytest.mark.parametrize(
        ("query", "reason"),
        [
            ("", "empty"),
            ("text: ", "empty"),
            ("photos/cat.jpg", "no file photos/cat.jpg; write text:photos/cat.jpg"),
            (str(Path(__file__)), "not an image"),
            ("x" * 10_001, "10,001 characters"),
        ],
    )
    def test_invalid_queries_are_refused(self, tiny_clip, query, reason):
        with pytest.raises(ItemError, match=reason):
            make_clip(tiny_clip).decode_query(query)


class TestFiles:
    def test_model_is_required(self):
        with pytest.raises(ValidationError, match="model"):
            Clip.Params()

    def test_error_for_a_missing_model_says_how_to_get_it(self):
        with pytest.raises(DependencyError) as caught:
            _ = make_clip("openai/clip-vit-base-patch32").signature
        assert (
            "openai/clip-vit-base-patch32 was not found locally and could not be downloaded (HF_HUB_OFFLINE forbids"
            in str(caught.value)
        )
        for part in (
            "hf download openai/clip-vit-base-patch32 ",
            "`model: models/clip-vit-base-patch32`",
            "efficientnet_lite0",
        ):
            assert part in caught.value.hint

    def test_model_in_the_hub_cache_is_found(self, tiny_clip, tmp_path):
        folder = tmp_path / "hub" / "hub" / "models--someone--tiny"
        (folder / "refs").mkdir(parents=True)
        (folder / "refs" / "main").write_text("abc")
        shutil.copytree(tiny_clip, folder / "snapshots" / "abc")
        assert make_clip("someone/tiny").signature == make_clip(tiny_clip).signature

    def test_folder_without_weights_is_refused(self, tmp_path):
        with pytest.raises(DependencyError, match="holds no weights"):
            _ = make_clip(tmp_path).space
        with pytest.raises(DependencyError, match="no such folder"):
            _ = make_clip(tmp_path / "none").space

    def test_model_of_another_type_is_refused(self, tiny_clip, tmp_path):
        folder = shutil.copytree(tiny_clip, tmp_path / "bert")
        (folder / "config.json").write_text('{"model_type": "bert"}')
        with pytest.raises(PluginError, match=r"is not a CLIP model: model_type in its config\.json is bert"):
            _ = make_clip(folder).signature

    def test_preprocessing_that_is_not_clips_is_refused(self, tiny_clip, tmp_path):
        folder = shutil.copytree(tiny_clip, tmp_path / "odd")
        (folder / "preprocessor_config.json").write_text('{"do_center_crop": false}')
        with pytest.raises(PluginError, match="preprocessing of images that is not CLIP's"):
            _ = make_clip(folder).signature

    def test_signature_changes_with_the_weights(self, tiny_clip, tmp_path):
        folder = shutil.copytree(tiny_clip, tmp_path / "other")
        data = bytearray((folder / "model.safetensors").read_bytes())
        data[-1] ^= 1
        (folder / "model.safetensors").write_bytes(data)
        assert make_clip(folder).signature != make_clip(tiny_clip).signature
        assert make_clip(folder).space == make_clip(tiny_clip).space


def test_collection_is_searched_by_sentence_and_by_image(tiny_clip, lite):
    folder = lite.folder / "pictures"
    folder.mkdir()
    for path in SAMPLE_IMAGES:
        shutil.copy(path, folder)
    solution = lite.solution(
        "pictures", encoder=f"{{type: clip, model: '{tiny_clip}'}}", source="{type: folder, path: pictures}"
    )
    assert solution.ingest().rows == 10
    encoder = solution.encoder
    stored = encode_queries(encoder, SAMPLE_IMAGES)

    def expected_order(query):
        similarities = stored @ encode_queries(encoder, [query])[0]
        return [SAMPLE_IMAGES[row].name for row in np.argsort(-similarities)]

    for sentence in ("a red balloon", "text:mountains.jpg", "text:balloons"):
        assert [hit.key for hit in solution.search(sentence)] == expected_order(sentence)
    for picture in (SAMPLE_IMAGES[0], str(SAMPLE_IMAGES[8])):
        assert [hit.key for hit in solution.search(picture)] == expected_order(picture)
        assert solution.search(picture, limit=1)[0].similarity == pytest.approx(1, abs=1e-3)
