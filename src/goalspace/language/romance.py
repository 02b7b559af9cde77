"""Noun phrases of French, Spanish, Italian and Portuguese texts, by function words, position and endings, without a tagger."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from goalspace.language.stopwords import FRENCH, ITALIAN, PORTUGUESE, SPANISH, STOP_WORDS

# an elided word is one of its own: l'hôtel, d'attente, dell'albergo
_WORD = re.compile(r"[^\W\d_]+['’](?=[^\W\d_])|[^\W\d_]+(?:-[^\W\d_]+)*|\d+(?:[.,]\d+)*|[^\w\s]")
_MAX_WORDS = 60  # of a sentence
_MIN_LETTERS = 3  # of a noun


class Grammar(NamedTuple):
    """What the rules need to know of a language, as words in lower case."""

    articles: frozenset[str]  # which may also be pronouns before a verb: la comida, la compré
    determiners: frozenset[str]  # which only stand before nouns: una, mi, esta
    prepositions: frozenset[str]  # which may stand before a noun or an article
    of: frozenset[str]  # which join two nouns: tiempo de espera
    without: frozenset[str]  # sin ventana
    copulas: frozenset[str]  # la ducha estaba rota
    degrees: frozenset[str]  # which may stand before an adjective
    adjectives: frozenset[str]  # the most frequent ones, without the endings of gender and number
    suffix: re.Pattern[str]  # of other adjectives
    ending: re.Pattern[str]  # of gender and number
    infinitive: re.Pattern[str]
    verb: re.Pattern[str]  # endings of verbs that may follow a pronoun
    empty: frozenset[str]  # nouns that name nothing by themselves


def _grammar(*, suffix: str, ending: str, infinitive: str, verb: str, **words: str) -> Grammar:
    endings = {"suffix": suffix, "ending": ending, "infinitive": infinitive, "verb": verb}
    return Grammar(
        **{name: frozenset(listed.split()) for name, listed in words.items()},  # type: ignore[arg-type]
        **{name: re.compile(f"(?:{pattern})$") for name, pattern in endings.items()},  # type: ignore[arg-type]
    )


_GRAMMARS = {
    SPANISH: _grammar(
        articles="el la los las",
        determiners="un una unos unas al del mi mis su sus tu tus nuestro nuestra nuestros nuestras este esta estos estas ese esa "
        "esos esas ningún ninguna cada mucho mucha muchos muchas poco poca tanto tanta varios varias dos tres cuatro cinco seis siete ocho nueve "
        "diez doce quince veinte sola solos solas mismo misma mismos mismas único única último última primer primera próximo "
        "próxima propio propia otro otra otros otras",
        prepositions="a con de en para por sin sobre desde hasta entre tras según",
        of="de del al",
        without="sin ningún ninguna",
        copulas="es era fue son eran fueron está estaba estuvo están estaban parece resulta sigue queda",
        degrees="muy tan demasiado bastante totalmente completamente realmente siempre súper algo",
        adjectives="buen bueno buen malo mal gran grande pequeñ nuev viej car barat lent rápid rapid limpi suci frí fri calient roto rot "
        "larg cort alt baj feo fe bonit lindo clar oscur amabl simpátic antipátic grosero groser fácil difícil sencill complicad "
        "cómod incómod ruidos tranquil list llen vací modern antigu excelent pésim perfect ric delicios dur bland fuert débil "
        "gratuit gratis técnic automátic incluid ocult corrient normal justo just injust útil inútil educad maleducad atent lejos "
        "únic verdader auténtic correct final medio entera enter mínim máxim últim primer segund mism propi extra malísim",
        suffix="(?:os|iv|ad|id|ísim|ari|ori|ent|ant|ient|tor)(?:o|a|os|as|e|es)|[áéíóú].*ic[oa]s?|(?:able|ible|al|il|ar|[aei]dor)(?:s|es)?|és",
        ending="(?:os|as|es|o|a|e|s)",
        infinitive="[aeií]r(?:me|te|se|lo|la|los|las|le|les|nos)?",
        verb="(?<!caf)(?<!beb)[éíó]|aron|ieron|aba|aban|ía|ían|amos|emos|imos|ando|iendo|aste|iste|ará|erá|irá",
        empty="vez veces cosa cosas día días año años mes meses semana semanas hora horas minuto minutos manera forma tipo parte "
        "lado euro euros gente señor señora mitad momento final lugar caso hecho mayo enero febrero marzo abril junio julio agosto "
        "septiembre octubre noviembre diciembre lunes martes miércoles jueves viernes sábado domingo mañana tarde",
    ),
    FRENCH: _grammar(
        articles="le la les l'",
        determiners="un une des du au aux mon ma mes son sa ses ton ta tes notre nos votre vos leur leurs ce cet cette ces aucun "
        "aucune chaque plusieurs quelques deux trois quatre cinq",
        prepositions="à avec dans de d' en par pour sans sur sous chez vers depuis après avant entre",
        of="de d' du à",
        without="sans aucun aucune",
        copulas="est était fut sont étaient sera semble reste",
        degrees="très trop si assez vraiment totalement complètement plutôt toujours bien plus extrêmement",
        adjectives="bon bonn mauvais grand petit nouveau nouvell vieux vieill cher chèr lent rapid propr sal froid chaud cass long "
        "longu court haut bass beau bell moche lai clair sombr aimabl gentil gentill désagréabl facil difficil simpl compliqu "
        "bruyant calm plein vid modern ancien ancienn excellent parfait délicieu délicieus dur mou fort faibl gratuit techniqu "
        "normal just injust util inutil poli impoli attentif attentiv uniqu vrai correct final minim maxim médiocr nul null fantastiqu super ouvert ferm caché cach abîm",
        suffix="(?:eux|euse|euses|if|ifs|ive|ives|able|ables|ible|ibles|ique|iques|ant|ants|ante|antes|ent|ents|ente|entes|é|és|ée|"
        "ées|el|els|elle|elles|al|ale|ales|aux|aire|aires|ois|oise|ien|ienne)",
        ending="(?:es|e|s|x)",
        infinitive="er|ir|re|oir",
        verb="ait|aient|ons|ez|èrent|irent|ai|era|eront",
        empty="fois chose choses jour jours an ans année années mois semaine semaines heure heures minute minutes manière façon sorte "
        "partie côté euro euros gens monsieur madame moitié moment fin lieu cas fait janvier février mars avril mai juin juillet août "
        "septembre octobre novembre décembre lundi mardi mercredi jeudi vendredi samedi dimanche matin soir",
    ),
    ITALIAN: _grammar(
        articles="il lo la i gli le l'",
        determiners="un uno una un' al allo alla ai agli alle all' del dello della dei degli delle dell' nel nello nella nei negli "
        "nelle nell' dal dalla dai dalle dall' sul sulla sui sulle sull' mio mia miei mie suo sua suoi sue nostro nostra questo questa "
        "questi queste quel quella quei quelle nessun nessuna ogni molti molte pochi poche due tre quattro cinque sei sette otto nove dieci venti sola stesso stessa stessi "
        "stesse unico unica ultimo ultima primo prima altro altra altri altre",
        prepositions="a con di d' da in per senza su tra fra dopo verso",
        of="di d' del dello della dei degli delle dell' da",
        without="senza nessun nessuna",
        copulas="è era fu sono erano furono sembra resta",
        degrees="molto troppo così abbastanza davvero veramente totalmente completamente sempre piuttosto più",
        adjectives="buon buono cattiv grand piccol nuov vecch vecchi car economic lent veloc rapid pulit sporc fredd cald rott lung "
        "cort alt bass bell brutt chiar scur gentil simpatic scortes facil difficil semplic complicat comod scomod rumoros tranquill "
        "pronto pront pien vuot modern antic eccellent pessim perfett ricc delizios dur morbid fort debol gratuit tecnic automatic "
        "inclus nascost normal giust ingiust util inutil educat maleducat attent ver corrett final "
        "minim massim ottim scars",
        suffix="(?:os|iv|at|it|ut|issim|ic|ari|ent|ant|es|al|abil|ibil|evol)(?:o|a|i|e|he|hi)",
        ending="(?:he|hi|o|a|i|e)",
        infinitive="[aei]r(?:e|mi|ti|si|lo|la|li|le|ci|vi|ne)",
        verb="ò|ai|ava|avano|eva|evano|iva|ivano|arono|irono|iamo|ando|endo|erà|irà",
        empty="volta volte cosa cose giorno giorni anno anni mese mesi settimana settimane ora ore minuto minuti modo maniera tipo parte "
        "lato euro gente signore signora metà momento fine luogo caso fatto gennaio febbraio marzo aprile maggio giugno luglio agosto "
        "settembre ottobre novembre dicembre lunedì martedì mercoledì giovedì venerdì sabato domenica mattina sera",
    ),
    PORTUGUESE: _grammar(
        articles="o a os as",
        determiners="um uma uns umas ao à aos às do da dos das no na nos nas pelo pela pelos pelas num numa meu minha meus minhas seu "
        "sua seus suas nosso nossa este esta estes estas esse essa esses essas aquele aquela nenhum nenhuma cada muito muita muitos "
        "muitas pouco pouca vários várias dois duas três quatro cinco seis sete oito nove dez vinte mesmo mesma único única último última primeiro "
        "primeira outro outra outros outras",
        prepositions="a com de em para por sem sobre desde até entre",
        of="de do da dos das",
        without="sem nenhum nenhuma",
        copulas="é era foi são eram foram está estava esteve estão estavam parece fica ficou",
        degrees="muito tão demasiado bastante totalmente completamente realmente sempre super mais",
        adjectives="bom boa bo mau má ruim ruin grand pequen nov velh car barat lent rápid limp suj frio fri quent quebrad longo long "
        "curt alt baix bonit fei clar escur amável simpátic antipátic grosseir fácil difícil simples complicad confortável barulhent "
        "calm chei vazi modern antig excelent péssim perfeit deliciosos dur fort frac gratuit técnic automátic incluíd ocult normal "
        "just injust útil inútil educad atencios verdadeir corret final mínim máxim ótim",
        suffix="(?:os|iv|ad|id|íssim|ári|ent|ant|ient|or)(?:o|a|os|as|e|es)|[áéíóúâêô].*ic[oa]s?|(?:ável|ível|al|il|áveis|íveis|ais|eis)",
        ending="(?:os|as|es|o|a|e|s)",
        infinitive="[aei]r(?:-(?:me|te|se|lo|la|nos))?",
        verb="ou|eu|iu|aram|eram|iram|ava|avam|ia|iam|amos|emos|imos|ando|endo|indo|ará|erá|irá",
        empty="vez vezes coisa coisas dia dias ano anos mês meses semana semanas hora horas minuto minutos maneira forma tipo parte lado "
        "euro euros gente senhor senhora metade momento fim lugar caso facto fato janeiro fevereiro março abril maio junho julho agosto "
        "setembro outubro novembro dezembro segunda terça quarta quinta sexta sábado domingo manhã tarde noite",
    ),
}


class _Word(NamedTuple):
    low: str
    start: int
    end: int


def romance_phrases(sentence: str, language: str) -> Iterator[tuple[str, int, int]]:
    """Yield the noun phrases of a sentence with their spans, in lower case.

    A noun is the word after a determiner, or the first one of a sentence or clause if an adjective follows. With it go an adjective before or after it, another noun after "de" ("tiempo de
    espera"), "sin" and its like before it ("sin ventana"), and the adjective of "la ducha estaba rota".
    """
    grammar, stop = _GRAMMARS[language], STOP_WORDS[language]
    words = [
        _Word(match.group().lower().replace("’", "'"), *match.span())
        for _, match in zip(range(_MAX_WORDS), _WORD.finditer(sentence), strict=False)
    ]
    words.insert(0, _Word(".", 0, 0))
    for at, word in enumerate(words):
        bare = not word.low[0].isalnum()
        if not bare and not _opens(words, at, grammar):
            continue
        first = at + 1
        before = not bare and first + 1 < len(words) and _is_adjective(words[first].low, grammar, stop)
        noun = first + 1 if before and _is_content(words, first + 1, grammar, stop) else first
        if not _is_content(words, noun, grammar, stop) or _is_verb(words, at, noun, grammar):
            continue
        pieces = [words[i].low for i in range(first, noun + 1)]
        last, said = noun, noun + 1
        after = at > 0 and words[at - 1].low in grammar.prepositions
        sure = noun > first or word.low in grammar.determiners or (word.low in grammar.articles and after)
        if joined := _joined(words, noun, grammar, stop):
            pieces, last, sure = [*pieces, *joined[0]], joined[1], True
        elif said < len(words) and _agrees(words, noun, said, grammar, stop):
            pieces, last, sure = [*pieces, words[said].low], said, True
        elif not after and not bare and (stated := _stated(words, noun, grammar, stop)):
            yield f"{words[noun].low} {words[stated].low}", words[first].start, words[stated].end
            sure = True
        if words[noun].low in grammar.empty:
            continue
        if word.low in grammar.without:
            yield " ".join([word.low, *pieces]), word.start, words[last].end
        elif sure:
            yield " ".join(pieces).replace("' ", "'"), words[first].start, words[last].end


def _opens(words: Sequence[_Word], at: int, grammar: Grammar) -> bool:
    low = words[at].low
    return low in grammar.articles or low in grammar.determiners or low in grammar.prepositions


def _is_content(words: Sequence[_Word], at: int, grammar: Grammar, stop: frozenset[str]) -> bool:
    if at >= len(words):
        return False
    low = words[at].low
    if not low[0].isalpha() or len(low) < _MIN_LETTERS or low.endswith("mente"):
        return False
    return low not in stop and low not in grammar.determiners


def _is_verb(words: Sequence[_Word], at: int, noun: int, grammar: Grammar) -> bool:
    """Return whether what looks like a noun is rather a verb; after a determiner, nothing is."""
    low = words[noun].low
    if words[at].low in grammar.determiners:
        return False
    return grammar.verb.search(low) is not None or (
        words[at].low not in grammar.articles and grammar.infinitive.search(low) is not None
    )


def _is_adjective(low: str, grammar: Grammar, stop: frozenset[str]) -> bool:
    if low in stop or low in grammar.determiners or len(low) < _MIN_LETTERS:
        return False
    stem = grammar.ending.sub("", low)
    return low in grammar.adjectives or stem in grammar.adjectives or grammar.suffix.search(low) is not None


def _agrees(words: Sequence[_Word], noun: int, at: int, grammar: Grammar, stop: frozenset[str]) -> bool:
    """Return whether a word is an adjective that may belong to a noun, by number and by the vowels of its gender."""
    low, name = words[at].low, words[noun].low
    if not low[0].isalpha() or not _is_adjective(low, grammar, stop):
        return False
    if grammar is not _GRAMMARS[ITALIAN] and low.endswith(("s", "x")) != name.endswith(("s", "x")):
        return False
    if grammar is not _GRAMMARS[FRENCH] and {name.rstrip("s")[-1], low.rstrip("s")[-1]} == {"a", "o"}:
        return False
    following = words[at + 1].low if at + 1 < len(words) else "."
    return following not in grammar.articles


def _joined(
    words: Sequence[_Word], noun: int, grammar: Grammar, stop: frozenset[str]
) -> tuple[list[str], int] | None:
    """Return "de espera" after "tiempo", and its last position."""
    link, other = noun + 1, noun + 2
    if other >= len(words) or words[link].low not in grammar.of:
        return None
    if words[noun].low in grammar.empty or words[other].low in grammar.empty:
        return None
    if not _is_content(words, other, grammar, stop) or grammar.infinitive.search(words[other].low):
        return None
    if _is_adjective(words[other].low, grammar, stop) or words[other].low in grammar.determiners:
        return None
    return [words[link].low, words[other].low], other


def _stated(words: Sequence[_Word], noun: int, grammar: Grammar, stop: frozenset[str]) -> int | None:
    """Return the position of the adjective in "la ducha estaba (muy) rota"."""
    at = noun + 1
    if at >= len(words) or words[at].low not in grammar.copulas:
        return None
    at += 1
    while at < len(words) and words[at].low in grammar.degrees:
        at += 1
    return at if at < len(words) and _agrees(words, noun, at, grammar, stop) else None
