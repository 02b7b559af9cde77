"""Word lists and patterns for reading English instructions: task verbs, quantities, polite phrases."""

from __future__ import annotations

import re


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# verbs that start instructions but are more often nouns, or that are missing from the tagger's lexicon
TASK_VERBS = _set(
    "access address answer arrange author balance blog brainstorm calculate caption chart check choose code comment compare "
    "compose contrast convert count craft criticize critique debug decode define design detail diagram document draft "
    "edit email encode estimate experiment fix forecast format function google graph group guess highlight hypothesize "
    "identify implement input interview label list map mark match merge model name narrate offer order outline output "
    "paraphrase parse pick plan play plot point post practice predict present price process produce program proofread "
    "propose query quiz quote rank rate rearrange recap recommend refactor rephrase report research respond reverse review "
    "reword rewrite run sample schedule score search select sequence set shorten show simulate sketch sort spell split "
    "state storyboard structure suggest sum summarise summarize survey tag tally test time title tokenize trace track "
    "transcribe transform translate tweet type use visualize vote weigh word"
)
# base verbs that are identical to their past tense
SAME_PAST = _set("read put set cut split spread cast shut quit run come become overcome reset")
LEAD_WORDS = _set(
    "please kindly now then next first second third lastly finally also so ok okay hi hello hey well just and "
    "alright dear greetings again simply hint note task instruction question instructions"
)

_ALSO = r"(?: (?:really|just|also|now))?"
_WANT = r"(?:want|need|would (?:really )?like|would love|'d like|'d love"
REQUEST = re.compile(
    r"(?:"
    r"(?:can|could|would|will|can't|couldn't|won't|wouldn't) (?:you|u|someone|anyone)(?: (?:please|kindly|also|just|"
    r"possibly|be able to|be so kind as to|go ahead and|then|now|maybe|perhaps))*"
    rf"|(?:i|we){_ALSO} {_WANT}|require|expect) you to|(?:i|we) (?:am|are|'m|'re) asking you to"
    r"|help (?:me|us)(?: to)?|let 's|let us|let me"
    r"|(?:your|the|my|our|this)(?: \w+)? (?:task|job|goal|role|mission|assignment|objective|aim|challenge|exercise)"
    r" (?:here )?(?:is|will be) to"
    r"|you (?:are|will be|'re) (?:asked|required|expected|supposed|tasked|instructed|told|needed|to)(?: to)?"
    r"|it is your (?:task|job) to|(?:is|would) it (?:be )?possible (?:for you )?to|are you able to|would you mind"
    r"|do you think you could|try to|go ahead and|it would be (?:great|nice|helpful) if you (?:could|can)"
    r") "
)
# a wish, a duty or a reminder: the task only if there is no other
WISH = re.compile(
    rf"(?:(?:i|we){_ALSO} {_WANT}|wish|plan|have|hope) to"
    r"|(?:i|we) (?:am|are|'m|'re) (?:trying|looking|hoping|going|planning) to"
    r"|you (?:must|should|need to|have to|will|'ll)|make sure (?:to|you)|be sure to|remember to|don't forget to"
    r"|feel free to|don't|do not|never|always) "
)
# a wanted object, without a verb that says what to do
WANTED = re.compile(
    rf"(?:i|we){_ALSO} {_WANT}|am looking for|are looking for|'m looking for|'re looking for) "
)
# the role of the answerer, not the task
ROLE = re.compile(
    r"(?:(?:act|behave|respond|roleplay|role-play|role play|speak|write|answer) as|(?:put|place) yourself in|step into"
    r"|(?:take(?: on)?|play|assume|adopt) the (?:role|persona|perspective|character|identity) of"
    r"|you (?:are|'re|will be)(?: now)? (?:acting|roleplaying|role-playing|playing) as"
    r"|you (?:are|'re)|pretend (?:that )?you (?:are|'re)|pretend to be|imagine (?:that )?you (?:are|'re)"
    r"|imagine yourself as|as) "
)
SCENE_VERBS = _set("say imagine suppose assume pretend picture roleplay role-play")

SUBJECTS = _set("i you we one someone people they")
OPINIONS = _set("think know mean say call feel believe have consider want like need do happen find see get")
TELLING = _set(
    "explain describe discuss summarize summarise tell outline elaborate define introduce clarify illustrate teach "
    "analyze analyse research learn understand know talk share recall narrate show"
)
INNER_VERBS = _set("try attempt help learn need want begin start continue proceed decide choose")
LISTED = _set("way step strategy idea tip example suggestion method option approach output")

QUANTITIES = _set(
    "lot lots number couple pair variety bunch dozen dozens hundreds thousands plenty one some all each both most any "
    "few none many much more majority either several two three four five six seven eight nine ten amount"
)
GATHERINGS = _set("set list series piece group collection sequence array body block")
EMPTY_HEADS = _set("following below above next given same other others rest")
ANAPHORS = _set("it this that these those them itself")
OPENERS = _set("of both all half such and or least most")  # a determiner may follow these
PARTICLES = _set("up out down off away back over")
BREAKS = _set(", : ; - – — ( | →")
QUOTES = frozenset("\"“”'‘’`*(")

# group of tasks → lines of verbs that ask for the same task if their object is the same, named by the first verb
FAMILIES = {
    "Write": (
        "write compose create generate produce make craft draft author pen construct formulate devise invent come "
        "prepare develop design build script construct",
        "continue complete finish extend expand",
        "outline storyboard plan schedule organise",
        "pretend imagine act roleplay role-play",
    ),
    "Rewrite and edit": (
        "rewrite rephrase paraphrase reword restate reformulate",
        "edit revise improve polish refine proofread",
        "correct fix repair",
        "convert transform change turn modify adapt",
        "shorten simplify reduce",
        "delete remove eliminate omit",
        "add insert append include",
        "replace substitute",
        "combine merge join",
        "split separate divide break",
        "format punctuate capitalize",
    ),
    "Translate": ("translate transcribe localize",),
    "Summarize": ("summarize summarise condense recap", "paraphrase"),
    "Find and extract": (
        "find identify determine locate detect spot discover decide",
        "extract pull parse",
        "select choose pick",
        "highlight underline mark",
        "search look retrieve get",
        "count tally",
    ),
    "Classify and order": (
        "classify categorize categorise label tag",
        "sort order arrange rearrange reorder organize rank",
        "group match cluster",
    ),
    "Explain": (
        "explain clarify elaborate illustrate",
        "describe depict portray",
        "define",
        "discuss",
        "tell share",
        "teach introduce",
        "summarize",
    ),
    "List and suggest": (
        "list name enumerate",
        "give provide offer supply present",
        "suggest recommend propose advise",
        "brainstorm",
    ),
    "Judge and compare": (
        "compare contrast",
        "evaluate assess judge rate grade score",
        "analyze analyse examine investigate research study review",
        "criticize critique criticise",
        "verify check validate test",
        "justify argue defend",
    ),
    "Compute": (
        "calculate compute",
        "solve",
        "estimate approximate",
        "predict forecast",
        "multiply",
        "simplify",
        "convert",
        "prove derive",
    ),
    "Code": ("implement code program", "debug", "refactor optimize", "run execute", "print return output"),
    "Answer": ("answer respond reply", "read", "what which who when where why how", "yes-no be noun"),
}
CODE_NOUNS = _set(
    "code function program script query algorithm class method regex api snippet app application website webpage sql "
    "database loop recursion compiler html css javascript python java method module library test"
)
MATH_NOUNS = _set(
    "math equation fraction integral derivative polynomial matrix arithmetic algebra probability perimeter root "
    "square factorial percentage quotient"
)
