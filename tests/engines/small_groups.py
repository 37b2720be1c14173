"""The command `sequitur`, with so small cells, and groups of a shuffle, that a few hundred documents make several, and
hot keys."""

from typing import Any

from sequitur.command_line.main import main
from sequitur.graph_sort.orders import contexts
from sequitur.stages.select import candidates, star_rounds

if __name__ == "__main__":
    hot_slots = candidates._hot_slots

    def some_hot_slots(*arguments: Any) -> Any:
        slots = hot_slots(*arguments)
        assert slots, "no key is hot: the corpus is to have more documents that are alike"
        return slots

    candidates._hot_slots = some_hot_slots
    candidates.GROUP_BYTES, star_rounds.GROUP_BYTES = 2**12, 2**9
    contexts.CELL = 50
    main()
