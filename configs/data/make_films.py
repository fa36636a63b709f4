"""Makes `films/`: films and ratings in MovieLens' format, with tastes planted: ``python make_films.py``.

Each user likes one or two kinds of film, and rates mostly those, known ones more often; how well a film is known has
nothing to do with its kind. Titles are made of words, and no rating is anybody's. The same seed gives the same files.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "films"
USERS, FILMS, RATINGS = 400, 360, 40
KINDS = (
    ("Action", "Thriller", "Crime"),
    ("Animation", "Children", "Musical"),
    ("Comedy", "Romance"),
    ("Drama", "War"),
    ("Horror", "Mystery"),
    ("Sci-Fi", "Adventure"),
    ("Fantasy", "Adventure"),
    ("Documentary",),
    ("Western", "Drama"),
)
FIRST = (
    *("Amber", "Broken", "Crimson", "Distant", "Early", "Endless", "Forgotten", "Gentle", "Hidden", "Hollow", "Idle"),
    *("Last", "Little", "Lost", "Midnight", "Narrow", "Northern", "Paper", "Quiet", "Restless", "Second", "Silver"),
    *("Slow", "Stolen", "Sudden", "Tall", "Thirteen", "Unlikely", "Velvet", "Winter"),
)
SECOND = {
    "Action": ("Pursuit", "Verdict", "Getaway", "Informer", "Bullet Train", "Heist"),
    "Animation": ("Hedgehog", "Lantern", "Puppet", "Snow Goose", "Toy Shop", "Kite"),
    "Comedy": ("Wedding", "Neighbours", "Landlord", "Honeymoon", "Roommates", "Picnic"),
    "Drama": ("Harbour", "Letters", "Regiment", "Orchard", "Winter Front", "Farewell"),
    "Horror": ("Cellar", "Staircase", "Mirror", "Whisper", "Orphanage", "Well"),
    "Sci-Fi": ("Orbit", "Colony", "Signal", "Airlock", "Android", "Comet"),
    "Fantasy": ("Dragon", "Crown", "Oracle", "Spellbook", "Griffin", "Kingdom"),
    "Documentary": ("Glacier", "Beekeepers", "Mountain Road", "Orchestra", "Reef", "Bakery"),
    "Western": ("Saddle", "Canyon", "Stagecoach", "Sheriff", "Prairie", "Saloon"),
}
FIRST_SECOND = 1_000_000_000


def make_films(random: np.random.Generator) -> tuple[list[tuple[int, str, str]], np.ndarray]:
    """The rows of movies.csv, and the kind of each film."""
    kinds = np.arange(FILMS) % len(KINDS)
    random.shuffle(kinds)
    used: set[str] = set()
    rows = []
    for number, kind in enumerate(kinds, 1):
        while True:
            genre = KINDS[kind][0]
            title = f"The {random.choice(FIRST)} {random.choice(SECOND[genre])}"
            if title not in used:
                break
        used.add(title)
        chosen = [each for each in KINDS[kind] if each == genre or random.random() < 0.6]
        rows.append((number, f"{title} ({random.integers(1950, 2025)})", "|".join(chosen)))
    return rows, kinds


def make_ratings(random: np.random.Generator, kinds: np.ndarray) -> list[tuple[int, int, float, int]]:
    """The rows of ratings.csv: by user, then by time."""
    known = random.permutation(1.0 / np.arange(8, FILMS + 8) ** 0.6)
    rows = []
    for user in range(1, USERS + 1):
        tastes = random.choice(len(KINDS), size=random.integers(1, 3), replace=False)
        is_liked = np.isin(kinds, tastes)
        weights = known * np.where(is_liked, 16.0, 1.0)
        count = int(np.clip(random.poisson(RATINGS), 15, 90))
        films = random.choice(FILMS, size=count, replace=False, p=weights / weights.sum())
        ratings = np.where(is_liked[films], 4.2, 2.8) + random.normal(0.0, 0.7, count)
        second = FIRST_SECOND + int(random.integers(0, 600_000_000))
        for film, rating in zip(films, ratings, strict=True):
            second += int(random.exponential(40_000)) + 1
            rows.append((user, int(film) + 1, float(np.clip(np.round(rating * 2) / 2, 0.5, 5.0)), second))
    return rows


def write(name: str, columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    with (FOLDER / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([columns, *rows])


def main() -> None:
    random = np.random.default_rng(25)
    FOLDER.mkdir(exist_ok=True)
    films, kinds = make_films(random)
    write("movies.csv", ("movieId", "title", "genres"), films)
    write("ratings.csv", ("userId", "movieId", "rating", "timestamp"), make_ratings(random, kinds))


if __name__ == "__main__":
    main()
