"""Goals in several wordings for labelled texts, written without looking at how an encoder takes them.

Every goal is worded as a noun phrase, a question, an instruction, a keyword and a long wish, two of each and in this order.
None names a class. PIE is measured on the first two.
"""

from __future__ import annotations

from typing import NamedTuple


class Goal(NamedTuple):
    """What an analyst wants to know about a data set, and the labels that answer it."""

    data: str
    label: str
    wordings: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the column: the data set and the label."""
        return f"{self.data} {self.label}"


GOALS = (
    Goal(
        "sgd",
        "act",
        (
            "the speech act of the turn",
            "What does the speaker do with this sentence?",
            "the purpose that the utterance serves in the conversation",
            "Which move in the dialogue is this?",
            "Group the turns by what the speaker is doing, whatever the conversation is about.",
            "Sort these lines by their function in the exchange.",
            "dialogue act",
            "communicative function",
            "I am designing a dialogue manager and want to see which kinds of moves people and the assistant make, "
            "regardless of the matter at hand",
            "We would like to find out how such conversations proceed step by step, so I need each turn filed under what "
            "it accomplishes",
        ),
    ),
    Goal(
        "sgd",
        "domain",
        (
            "the area of life the conversation belongs to",
            "What is the person trying to get or arrange?",
            "the subject matter of the dialogue",
            "Which field is this about?",
            "Group the turns by what they are about.",
            "Sort these lines by the sector whose business is being done.",
            "topic",
            "subject area",
            "I route conversations to specialised teams and have to know which kind of thing is being looked for, "
            "no matter how it is said",
            "Before we build any more skills I want an overview of the fields in which people use the assistant",
        ),
    ),
    Goal(
        "sgd",
        "speaker",
        (
            "the role of the person who is talking",
            "Who is speaking here?",
            "the side of the conversation a line comes from",
            "Which of the two parties says this?",
            "Separate the two sides of the conversation.",
            "Group the lines by who could have said them.",
            "speaker role",
            "who talks",
            "The names were lost in the transcripts, so I need to tell from the words alone which party uttered each line",
            "I want to know who is helping and who is being helped in every turn, so that I can study them apart",
        ),
    ),
    Goal(
        "casino",
        "strategy",
        (
            "the negotiation tactic behind the utterance",
            "How does the speaker try to get a good deal?",
            "the bargaining strategy that is used",
            "What is this remark meant to achieve in the negotiation?",
            "Group the utterances by the tactic they show.",
            "Sort these lines by how the person negotiates.",
            "negotiation strategy",
            "bargaining move",
            "I train negotiators and want to show them by which means people pursue their interests, whichever goods are on "
            "the table",
            "We study how bargaining partners influence one another, so every line should be labelled with the "
            "technique it uses",
        ),
    ),
    Goal(
        "emotions",
        "emotion",
        (
            "the emotion the writer expresses",
            "How does the person feel?",
            "the feeling behind the comment",
            "Which emotion comes across in this comment?",
            "Group the comments by the feeling they convey.",
            "Sort these posts by the emotional state of their authors.",
            "emotion",
            "feelings",
            "I would like to know in what state of mind people write, whatever they write about, so that moderators can "
            "step in early",
            "For a study of moods in forums I need the feeling that each commenter shows, not the topic",
        ),
    ),
    Goal(
        "syngoalex",
        "topic",
        (
            "the topic of the text",
            "What is this text about?",
            "the subject that is written about",
            "Which matter does the text deal with?",
            "Group the texts by their content.",
            "Sort these texts by subject, however they are written.",
            "topic",
            "subject matter",
            "I want to see which things people write about, no matter in which form or language they do so",
            "We publish in many formats and countries and need an overview of the subjects that our texts cover",
        ),
    ),
    Goal(
        "syngoalex",
        "style",
        (
            "the writing style of the text",
            "In what form is this written?",
            "the genre and form of the text",
            "What kind of text is it?",
            "Group the texts by how they are written rather than by what they say.",
            "Sort these texts by their format.",
            "style",
            "text form",
            "I need to know for which medium or occasion each text was composed, whatever its subject and language",
            "As an editor I want to see the different ways in which the same contents are presented, so that I can "
            "choose a designer for each",
        ),
    ),
    Goal(
        "syngoalex",
        "language",
        (
            "the language of the text",
            "Which language is this written in?",
            "the tongue in which the author writes",
            "What does a reader have to be able to speak to understand this?",
            "Group the texts by language.",
            "Separate the texts so that each translator gets those that they can read.",
            "language",
            "natural language of the text",
            "I have to hand these texts to native speakers for proofreading and must know who can read which",
            "We want to count how much is written in each language, whatever the topic and the form",
        ),
    ),
    Goal(
        "bills",
        "topic",
        (
            "the policy area of the bill",
            "Which area of policy does this bill belong to?",
            "the field of legislation",
            "What area of life would this law change?",
            "Group the bills by subject.",
            "Assign the bills to the committees that would deal with them.",
            "policy area",
            "legislative topic",
            "I follow parliament for my readers and want to know on which fields the lawmakers spend their time",
            "For a database of legislation I need each bill filed under the main issue that it addresses",
        ),
    ),
    Goal(
        "cfpb",
        "product",
        (
            "the financial product the complaint is about",
            "Which product does the customer complain about?",
            "the kind of contract involved",
            "What had the consumer bought or signed up for?",
            "Group the complaints by the product concerned.",
            "Sort these complaints by the line of business they fall under.",
            "financial product",
            "type of product",
            "I want to know which of the products on the market cause trouble, whatever went wrong, so that we can "
            "examine their sellers",
            "Complaints have to be passed on to the department in charge of the product, which I would like to read "
            "off the text",
        ),
    ),
    Goal(
        "banking77",
        "intent",
        (
            "the intent of the customer",
            "What does the customer want to know or do?",
            "the reason for contacting the bank",
            "Which problem or wish does the person have?",
            "Group the questions by what the customer wants.",
            "Sort these messages so that all those in a group get the same answer.",
            "customer intent",
            "reason for contact",
            "I write the answers of our help centre and need to see what exactly people come with, so that each concern "
            "gets its own page",
            "We want to find out what our customers struggle with and how often, as specifically as possible",
        ),
    ),
    Goal(
        "helpdesk",
        "product",
        (
            "the product the message is about",
            "Which of our products does the customer write about?",
            "the thing that the customer has trouble with",
            "What is the customer using?",
            "Group the messages by product.",
            "Sort these tickets by the team that builds the product in question.",
            "product",
            "affected product",
            "I want to know for which of our products people need help, whatever their problem is and however they feel",
            "Each product manager should get the messages about their own product, so I need to tell them apart",
        ),
    ),
)
