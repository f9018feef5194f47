"""The modalities there are, by name: to add one, write its module and one line here.

>>> sorted(MODALITIES)
['image', 'relational', 'tabular']
"""

from typing import Any

from synthtrail.data.image import Images
from synthtrail.data.modality import Modality
from synthtrail.data.relational import Relational
from synthtrail.data.tabular import Tabular

MODALITIES: dict[str, Modality[Any, Any, Any]] = {
    Images.name: Images(),
    Relational.name: Relational(),
    Tabular.name: Tabular(),
}
