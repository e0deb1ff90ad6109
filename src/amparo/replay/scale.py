"""How large an operation is: every quantity that differs between scales, in one place."""

from dataclasses import dataclass

_REST = ("IT", "BO", "DE", "CR", "PY", "CL", "SV", "PT", "CA", "AU", "MX", "BR", "AR", "KZ")
COUNTRIES_18 = ("ES", "CO", "GB", "US", *_REST)


@dataclass(frozen=True, slots=True)
class Scale:
    """One size of operation. A holder is a person whose things were seized; each has one phone.

    Phone 0 leaves an uncheckpointed WAL; phones 1 and 3 use the old schema; phone 2 has a clock
    97 s fast, is delivered as a zip and had its first group chat erased.
    """

    name: str
    holders: int
    countries: tuple[str, ...]
    accounts: int
    posters: int
    groups: int
    group_size: tuple[int, int]  # members ever in a group, smallest and largest
    groups_per_holder: tuple[int, int]
    posts_per_group: int  # pictures posted in each group
    texts_per_group: int
    private_pictures: int  # in each private chat between two holders
    dcim_per_phone: int  # camera originals never posted
    cards: int
    card_pictures: int
    laptops: int
    laptop_copies: int
    pages: int
    press: int
    new_series: int  # that no list knows and nobody passed on
    frames: tuple[tuple[int, int], ...]  # camera frame sizes, pixels
    workers: int  # processes; 1 builds in the calling process

    @property
    def exhibits(self) -> int:
        """Number of exhibits delivered."""
        return self.holders + self.cards + self.laptops + self.pages + self.press


_TINY = Scale(
    name="_tiny", holders=3, countries=("ES", "US", "GB"), accounts=12, posters=5, groups=2,
    group_size=(7, 9), groups_per_holder=(1, 2), posts_per_group=14, texts_per_group=16,
    private_pictures=2, dcim_per_phone=3, cards=1, card_pictures=4, laptops=0, laptop_copies=0,
    pages=0, press=0, new_series=1, frames=((640, 480), (480, 360)), workers=1,
)  # fmt: skip
SMALL = Scale(
    name="small", holders=5, countries=("ES", "CO", "GB", "US"), accounts=40, posters=10,
    groups=6, group_size=(8, 20), groups_per_holder=(3, 5), posts_per_group=26,
    texts_per_group=40, private_pictures=5, dcim_per_phone=22, cards=1, card_pictures=50,
    laptops=1, laptop_copies=60, pages=1, press=1, new_series=3,
    frames=((1280, 960), (1024, 768), (1200, 800)), workers=1,
)  # fmt: skip
TANTALIO = Scale(
    name="tantalio", holders=135, countries=COUNTRIES_18, accounts=2600, posters=103, groups=96,
    group_size=(40, 250), groups_per_holder=(3, 11), posts_per_group=380, texts_per_group=700,
    private_pictures=20, dcim_per_phone=190, cards=85, card_pictures=470, laptops=70,
    laptop_copies=852, pages=5, press=5, new_series=40,
    frames=((800, 600), (640, 480), (720, 480)), workers=2,
)  # fmt: skip

SCALES = {scale.name: scale for scale in (_TINY, SMALL, TANTALIO)}
