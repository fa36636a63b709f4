"""Videos searched by a sentence: ``keyframes`` through ``clip``, on a tiny CLIP, alone and behind the server."""

from __future__ import annotations

import numpy as np
import pytest

from inprocess_server import check_error, run_server
from tiny_clip import SENTENCES
from vicinal import IMAGE, TEXT, VIDEO, Item, ItemError
from vicinal_image.clip import Clip
from vicinal_video.keyframes import Keyframes
from video_helpers import shot_frames, write_video

pytestmark = pytest.mark.usefixtures("no_hub")
VIDEOS = {f"{kind}.mp4": kind for kind in ("fish", "city", "train", "rings")}


@pytest.fixture
def encoder(tiny_clip):
    return Keyframes(Keyframes.Params.model_validate({"image": {"type": "clip", "model": str(tiny_clip)}}))


@pytest.fixture
def videos(lite, tiny_clip):
    """A solution of four videos."""
    folder = lite.folder / "videos"
    folder.mkdir()
    for name, kind in VIDEOS.items():
        write_video(folder / name, shot_frames(kind, seconds=2), 12)
    made = lite.solution(
        "videos",
        encoder=f"{{type: keyframes, image: {{type: clip, model: '{tiny_clip}'}}}}",
        source="{type: folder, path: videos}",
    )
    assert made.ingest().new == 4
    return made


def rank_by_best_frame(solution, sentence):
    """The videos by the best of their frames, computed from the frames themselves."""
    encoder = solution.encoder
    [query_vector] = encoder.encode([segment.sample for segment in encoder.decode_query(sentence)])
    best = {}
    for name in VIDEOS:
        segments = encoder.decode(Item(name, solution.folder / "videos" / name))
        best[name] = float((encoder.encode([segment.sample for segment in segments]) @ query_vector).max())
    return sorted(best, key=best.__getitem__, reverse=True)


def test_query_modalities_include_text(encoder):
    assert encoder.query_modalities == (VIDEO, IMAGE, TEXT)


def test_sentence_is_encoded_by_clip(encoder, tiny_clip):
    plain = Clip(Clip.Params(model=str(tiny_clip)))
    for sentence in (*SENTENCES, "text:a film.mp4", "text:what about cat.jpg"):
        samples = [[segment.sample for segment in made.decode_query(sentence)] for made in (encoder, plain)]
        assert samples[0] == samples[1] == [sentence.removeprefix("text:")]
        assert np.array_equal(encoder.encode(samples[0]), plain.encode(samples[1]))


def test_sentence_and_existing_video_are_distinguished(encoder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "a.mp4", shot_frames("fish", seconds=2), 12)
    assert len(encoder.decode_query("a.mp4")) == 2
    assert [segment.sample for segment in encoder.decode_query("text:a.mp4")] == ["a.mp4"]
    with pytest.raises(ItemError, match=r"no file b\.mp4; write text:b\.mp4 if that is a sentence"):
        encoder.decode_query("b.mp4")


def test_videos_are_searched_by_sentence(videos):
    for sentence in ("a red balloon", "text:snow.mp4"):
        assert [hit.key for hit in videos.search(sentence)] == rank_by_best_frame(videos, sentence)


def test_server_searches_videos_by_sentence(videos):
    (videos.folder / "secret.mp4").write_bytes((videos.folder / "videos" / "fish.mp4").read_bytes())
    with run_server(videos) as client:
        query = client.get("/api/solutions").json()["solutions"][0]["query"]
        assert [modality["name"] for modality in query["modalities"]] == ["video", "image", "text"]
        assert (query["text"], query["file"]) == (True, True)
        assert query["accept"] == ["video/*", "image/*"]
        for sentence in ("a red balloon", str(videos.folder / "secret.mp4"), "text:fish"):
            response = client.search(sentence, name="videos")
            assert response.status_code == 200, response.text
            assert [hit["key"] for hit in response.json()["hits"]] == rank_by_best_frame(videos, f"text:{sentence}")
        with (videos.folder / "videos" / "city.mp4").open("rb") as file:
            response = client.post("/api/videos/search", files={"file": ("x.mp4", file)})
        assert response.json()["hits"][0]["key"] == "city.mp4"


def test_server_refuses_sentences_without_a_text_encoder(lite):
    (lite.folder / "videos").mkdir()
    made = lite.solution(
        "videos",
        encoder="{type: keyframes, image: {type: efficientnet_lite0}}",
        source="{type: folder, path: videos}",
    )
    with run_server(made) as client:
        query = client.get("/api/solutions").json()["solutions"][0]["query"]
        assert [modality["name"] for modality in query["modalities"]] == ["video", "image"]
        assert not query["text"]
        body = check_error(client.search("a red balloon", name="videos"), 409)
        assert body["errors"] == ["query: 'videos' cannot be searched by a text"]
