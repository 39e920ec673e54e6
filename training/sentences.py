"""What the synthetic voices say: sentences written for this, and words made of random syllables.

Made-up words give every consonant before and after every vowel, which sentences do not.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path

ENGLISH = """
Please bring my bag up to the big blue boat before we pay.
Maybe Bob and Mabel will be home by May.
The people in the park were happy about the warm spring evening.
He took the last ticket and got on the train.
She could not decide whether to go to the coast or stay in the town.
Five very old vans drove over the valley.
We would rather walk through the woods when the weather is wonderful.
Choose a fresh peach from the shop on the beach.
Put the butter on the table and pass me the pepper, please.
Do not talk like that in the kitchen at night.
The judge asked a simple question and nobody knew the answer.
Look at the moon above the roof of the school.
A good cook could cook as many cookies as a good cook who could cook.
My mother made apple jam and plum pie.
Those three brothers think that nothing can go wrong.
I have never seen such a huge and heavy fish.
Remember to empty the bucket before the rain begins.
Tim and Tom came home at ten to get some tea.
The captain of the ship kept a map in his cabin.
You should use your new shoes for the two mile route.
Early birds heard the first words of the nurse.
Our house is down the road, about an hour from here.
Boys enjoy noisy toys, but the point is to avoid the oil.
Open the window so that we both can go home slowly.
The empire was built by farmers, priests and poor soldiers.
Keep the deep green leaves clean and neat.
What a strange day it has been, said the painter to his neighbour.
Can you hear the bells near the bridge?
Nobody, except perhaps my uncle, remembers that summer.
The committee discussed the problem for several months.
Give the dog a bone, and give the cat a bowl of milk.
Their daughter bought a small orange ball at the mall.
If it is possible, I would prefer to meet before Monday.
Deep in the cave the men dug a tunnel to the lake.
Singing and dancing all night long, the young king felt strong.
It was a kind and quiet country, and we liked it.
Watch out! The bottle is about to fall off the box.
Who knew the view from the roof would move you too?
She sells fresh flowers, fine fruit and fifty kinds of cheese.
Perhaps the paper map will help them plan the trip.
When the mountain comes into view, everybody becomes calm.
Father parked the car far from the large barn.
Good morning, and welcome to the programme.
I am about to explain how the pump works; please be patient.
The number you have reached is not in service at this time.
Press the button marked blue to begin the game.
A thousand thanks for the thoughtful birthday gift.
The hat that Anne had was bad, and that made Dan mad.
Number one: open the box. Number two: remove the film. Number three: pump it up.
Well, I do not know; we may be late, but we will be there.
Come on, let us go and get the golden key.
"""

GERMAN = """
Bitte bring mir morgen ein paar Bücher mit.
Der Mann am Bahnhof wartet auf den Zug nach Hamburg.
Meine Mutter backt am Samstag einen Apfelkuchen.
Wir müssen über die alte Brücke gehen.
Die schönen Vögel fliegen über die grünen Hügel.
Kannst du heute Nachmittag die Kinder abholen?
Er hat gestern den ganzen Tag an seinem Auto gearbeitet.
Im Sommer blühen viele Blumen auf der Wiese.
Paul und Peter spielen im Park mit dem bunten Ball.
Das Wetter wird am Wochenende bestimmt besser.
Ich möchte gern eine Tasse Kaffee und ein Stück Brot.
Unsere Nachbarn haben ein neues Haus gebaut.
Weißt du, wo mein blauer Mantel ist?
Zwei kleine Katzen tanzen um den Tisch.
Fünf Freunde fahren fröhlich nach Frankfurt.
Man kann nie wissen, was morgen kommt.
Der Bäcker bäckt um sechs Uhr früh die ersten Brötchen.
Guten Abend, meine Damen und Herren.
Plötzlich begann es zu regnen, aber niemand bemerkte es.
Komm bald wieder, wir vermissen dich!
Mit Mühe öffnete sie die schwere Tür.
Ein großer Hund lief durch den dunklen Wald.
Am Montag beginnt die Arbeit, am Freitag ist sie vorbei.
Schau, der Mond scheint über dem Meer.
Ohne Wasser kann kein Mensch lange leben.
Bald wird der Boden im Garten umgegraben.
"""

WHO = """
My mother|Maybe Bob|The baby|A brave woman|The postman|Our whole family|Phoebe|Mister Vaughn|
Five farmers|Both painters|The prime minister|Somebody|Every member|The famous poet|
A million people|Your boyfriend|Uncle Philip|The bus driver|We|You|They|Nobody from the village|
The oldest monk|The warm wind|The big brown bear|Pam|Most of my friends|The whole team|
That funny film|The woman above us|A bumble bee|The evening news|Doctor Webb|The mayor|
My best man|This new phone
"""
DID = """
put|bought|found|wiped off|moved|began to move|promised to buy|prepared|wove|broke|remembered|
might fix|never forgave|believed in|would have saved|made fun of|opened|gave away|brought home|
left behind|became part of|could have picked up|never mentioned|waved at|wrapped up|
photographed|complained about|hoped for|filmed|painted|phoned|visited|approved of|borrowed|
removed|described
"""
WHAT = """
the paper map|a pump for the boat|five warm muffins|every book about bees|the blue umbrella|
some of the best poems|a vivid film|the problem at the bank|our old van|
the movement of the wave|a huge pumpkin|my favourite pub|the bottom of the box|
a perfect evening meal|the beautiful view|another phone number|the summer camp|a web of favours|
the proof of love|the empty room|both wheels|a marvellous symphony|the tomb of the emperor|
public opinion|a simple form|the whole menu|four bowls of soup|an awful mess|
the apple above the oven|the company's profit|this very moment|the chimney|a cup of coffee|
twelve wild wolves
"""
WHERE = """
before breakfast|by the river|in November|from my bedroom window|for a whole week|
on the way home|above the village|when the moon came up|without a map|behind the farm|
with a pen and paper|far from the beach|because of the fog|after the film|at the museum|
if we may believe Tom|in front of the shop|five times a month|under the apple tree|
to be on the safe side|every Wednesday|with both hands|between Bombay and Vienna|
before it was too warm|as a rule|over and over|from time to time|in the middle of a meeting|
at a quarter past five|on a boat full of sheep
"""
SAID = """
Please,|Well,|I mean,|Of course|Maybe|I believe that|Do you remember when|Wow!|Oh no,|Perhaps|
Who knew that|Above all,|What if|It was obvious that|Hmm,|From what I heard,|Believe me,|
Why would you think that|So|But|And then
"""

WER = """
Mein Bruder|Die Bäuerin|Frau Baumann|Der junge Mann|Unser Vermieter|Das kleine Mädchen|Paul|
Niemand|Der Briefträger|Eine alte Freundin|Die ganze Familie|Peter Weber|Mein Vater|Ihre Mutter|
Jeder Fünfte|Der Bürgermeister|Meine beste Freundin|Das Publikum|Emma|Wer|Der Bäcker von nebenan|Opa
"""
TUT = """
bringt|bemalt|vergaß|beschreibt|findet|verkauft|bewundert|empfahl|verbrannte|probiert|fotografiert|
bezahlt|umarmt|vermisst|beobachtet|bewegt|öffnet|baute|wollte|fürchtet|pflegt|kämmt|hob|verwöhnt
"""
WAS = """
den blauen Ball|eine warme Suppe|das wilde Pferd|die bunten Blumen|einen Pfannkuchen|
unser neues Boot|fünf große Bäume|den schweren Koffer|die vielen Bücher|
ein möbliertes Zimmer|den lieben Hund|das verbotene Bild|keine Pflaumen|
meinen grünen Pullover|die alte Dampfmaschine|zwölf Würfel|
einen Brief aus Wien|den Apfelbaum|eine Tafel Schokolade|das Gewitter|den Affen im Käfig|alle Töpfe
"""
WIE = """
im Garten hinter dem Haus|bei Wind und Wetter|am frühen Abend|ohne jede Mühe|vor dem Frühstück|
in Pommern|mit beiden Händen|auf dem Bahnhof|über Weihnachten|immer wieder|wegen des Nebels|
zum ersten Mal|im Oktober|unter der Brücke|für fünf Euro|aus Versehen|so oft wie möglich|
zwischen Bonn und Bamberg|mit Pfeffer und Salz|schon vor drei Wochen|im Schwimmbad|nachmittags
"""

ONSETS = "p b m p b m t d n k g f v w s z sh ch j l r h th pl br sp st tr kl gr sm fl".split()
NUCLEI = "a e i o u a e i o u ee oo ou ai".split()
CODAS = ["", "", "", "", "p", "b", "m", "t", "d", "n", "k", "g", "s", "l", "f", "sh", "nd", "mp"]
PLAIN_ONSETS = "p b m p b m t d n k g f v s l r z".split()
PLAIN_NUCLEI = "a e i o u".split()

# espeak-ng languages, with how often each is used; the plain ones read made-up words only
LANGUAGES: dict[str, int] = {
    "en-us": 7, "en-gb": 3, "en-gb-x-rp": 2, "en-gb-scotland": 1, "en-us-nyc": 1, "en-029": 1,
    "de": 5, "it": 1, "es": 1, "fr-fr": 1, "nl": 1, "sv": 1, "pt-br": 1, "pl": 1, "tr": 1, "fi": 1,
}  # fmt: skip


def sentences(language: str) -> list[str]:
    """The written sentences of a language, none for most."""
    text = {"en": ENGLISH, "de": GERMAN}.get(language[:2], "")
    return [line.strip() for line in text.splitlines() if line.strip()]


def made_up(chance: random.Random, *, plain: bool = False) -> str:
    """Three to nine made-up words, some with a comma after them.

    Args:
        chance: Where randomness comes from.
        plain: Only syllables that every language with Latin letters can read.
    """
    words = []
    for _ in range(chance.randint(3, 9)):
        word = ""
        for _ in range(chance.choice((1, 2, 2, 3))):
            word += chance.choice(PLAIN_ONSETS if plain else ONSETS)
            word += chance.choice(PLAIN_NUCLEI if plain else NUCLEI)
        word += chance.choice(CODAS[:12])
        words.append(word + ("," if chance.random() < 0.1 else ""))
    return " ".join(words).rstrip(",") + "."


def text_for(language: str, chance: random.Random) -> str:
    """Something to say: one or two sentences, or made-up words."""
    written = sentences(language)
    if written and chance.random() < 0.55:
        return " ".join(chance.sample(written, chance.choice((1, 1, 2))))
    return made_up(chance, plain=not written)


def _choices(table: str) -> list[str]:
    return table.strip().replace("|\n", "|").split("|")


def put_together(chance: random.Random) -> str:
    """A sentence of parts that fit, full of p b m f v w; about a million different ones."""
    lead = chance.choice(_choices(SAID)) if chance.random() < 0.4 else ""
    parts = [chance.choice(_choices(table)) for table in (WHO, DID, WHAT)]
    if chance.random() < 0.7:
        parts.append(chance.choice(_choices(WHERE)))
    asked = lead.startswith(("Do", "Who", "What if", "Why"))
    return f"{lead} {' '.join(parts)}{'?' if asked else '.'}".strip()


def put_together_german(chance: random.Random) -> str:
    """A German sentence of parts that fit, full of p b m f v and rounded vowels."""
    parts = [chance.choice(_choices(table)) for table in (WER, TUT, WAS, WIE)]
    return " ".join(parts) + ("?" if parts[0] == "Wer" else ".")


def read_texts(path: Path) -> list[str]:
    """What people wrote, one text before the first tab of each line, where it is easy to say.

    Kept are 25 to 120 letters and plain marks, without abbreviations, rare words (fewer than eight
    times in the file) and Internet addresses. GoEmotions' train part (Demszky et al., 2020,
    CC BY 4.0) gives about 7,000; of the German quotations in Debian's fortunes-de, a sentence to a
    line, about 2,400 are left.
    """
    texts = [line.split("\t")[0].strip() for line in path.read_text("utf-8").splitlines()]
    words = [re.findall(r"[a-zäöüß']+", text.lower()) for text in texts]
    seen = Counter(word for each in words for word in each)
    return [
        text
        for text, said in zip(texts, words, strict=True)
        if re.fullmatch(r"[A-Za-zÄÖÜäöüß' ,.!?;-]{25,120}", text)
        and not re.search(r"[A-ZÄÖÜ]{2}", text)
        and 5 <= len(said) <= 22
        and min(seen[word] for word in said) >= 8
    ]


def german_text(texts: list[str], chance: random.Random) -> str:
    """German for a natural voice: people's texts, built and written sentences, some made-up words.

    Args:
        texts: What `read_texts` gives, or none.
        chance: Where randomness comes from.
    """
    kind = chance.random()
    if kind < 0.12:
        return made_up(chance, plain=True)
    if kind < 0.22:
        return chance.choice(sentences("de"))
    if kind < 0.45 or not texts:
        return put_together_german(chance)
    return _seen_on_lips(texts, chance)


def natural_text(texts: list[str], chance: random.Random) -> str:
    """English for a natural voice: people's texts, built and written sentences, few made-up words.

    Args:
        texts: What `read_texts` gives, or none.
        chance: Where randomness comes from.
    """
    kind = chance.random()
    if kind < 0.12:
        return made_up(chance)
    if kind < 0.2:
        return chance.choice(sentences("en"))
    if kind < 0.6 or not texts:
        return put_together(chance)
    return _seen_on_lips(texts, chance)


def _seen_on_lips(texts: list[str], chance: random.Random) -> str:
    """Of three texts the one with most to see on the lips."""
    some = chance.sample(texts, 3)
    return max(some, key=lambda text: len(re.findall("[mpbfvw]", text)) / len(text))
