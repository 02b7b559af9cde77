"""Function words of European languages: what does not belong to a phrase, and what tells the language of a text."""

from __future__ import annotations

GERMAN, FRENCH, SPANISH, ITALIAN, PORTUGUESE, DUTCH = (
    "German",
    "French",
    "Spanish",
    "Italian",
    "Portuguese",
    "Dutch",
)
# Written for goalspace.
STOP_WORDS = {
    language: frozenset(words.split())
    for language, words in {
        GERMAN: "aber alle allem allen aller alles als also am an andere anderen anderer anderes auch auf aus bei beim bin bis "
        "bist da dabei dadurch dafür damit danach daran darauf daraus darf darin darum das dass davon dazu dein deine dem den "
        "denn der deren des deshalb dessen die dies diese diesem diesen dieser dieses doch dort du durch eben ein eine einem "
        "einen einer eines einmal er erst es etwas euch euer für ganz gar gegen gibt gut habe haben hat hatte hatten hier hin "
        "hinter ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im immer in ins ist ja jede jedem jeden jeder jedes jetzt kann "
        "kein keine keinem keinen keiner können könnte man manche mehr mein meine meinem meinen meiner mich mir mit muss "
        "müssen nach nicht nichts nie noch nun nur ob oder ohne schon sehr sein seine seinem seinen seiner seit sich sie sind "
        "so sogar solche soll sollte sondern sonst trotz über um und uns unser unsere unserem unseren unter viel viele vom von "
        "vor wann war waren warum was weder weg weil welche welcher wenn wer werden wie wieder wird wo wollen worden wurde "
        "wurden würde zu zum zur zwar zwischen",
        FRENCH: "a à ai aie aient ainsi alors après as au aucun aucune aussi autre autres aux avaient avais avait avant avec "
        "avez avoir avons c car ce ceci cela celle celles celui ces cet cette ceux chaque chez comme comment d dans de depuis "
        "des dès deux devant donc dont du elle elles en encore entre es est et étaient étais était étant été êtes être eu eux "
        "fait font fut ici il ils j je jusque l la là le les leur leurs lui m ma mais même mes moi moins mon n ne ni nos notre "
        "nous on ont ou où par parce pas pendant peu peut plus pour pourquoi près puis qu quand que quel quelle quelles quels "
        "qui quoi s sa sans se sera ses si sinon soit son sont sous sur t ta te tes toi ton toujours tous tout toute toutes "
        "très tu un une va vers voici voilà vont vos votre vous y",
        SPANISH: "a acá al algo alguien algún alguna algunas alguno algunos ante antes aquel aquella aquí así aún aunque bajo "
        "bien cada casi como cómo con contra cual cuál cuando cuándo cuanto de del desde donde dónde dos durante e el él ella "
        "ellas ellos en enseguida entonces entre era eran eres es esa esas ese eso esos esta está estaba estaban estado están estar "
        "estas este esto estos estoy estuvo fue fueron ha había habían haber hace hacia han hasta hay he hemos hizo la las le "
        "les lo los luego mal más me menos mi mí mientras mis mucha muchas mucho muchos muy nada nadie ni ningún ninguna ninguno no "
        "nos nosotros nuestra nuestras nuestro nuestros nunca o os otra otras otro otros para pero poco por porque pues que qué "
        "quien quién se sea según ser si sí sido siempre sin sino sobre sois solo sólo somos son soy su sus tal también tampoco "
        "tan tanta tanto te ti tiene tienen toda todas todavía todo todos tras tu tú tus u un una unas uno unos usted va vamos "
        "van vez y ya yo",
        ITALIAN: "a abbiamo ad agli ai al alcuni alcuno alla alle allo allora anche ancora anzi aveva avevano avere che chi "
        "ci ciò cioè col come con contro cosa così cui d da dagli dai dal dalla dalle dallo degli dei del dell della delle "
        "dello di dopo dove due dunque durante e è ed era erano essere fa fare fino fra fu già gli ha hai hanno ho i il in "
        "invece io l la là le lei lì lo loro lui ma mai me meno mentre mi mia mie miei mio molta molte molti molto ne né negli "
        "nei nel nell nella nelle nello nessun nessuna nessuno niente no noi non nostra nostre nostri nostro nulla o ogni "
        "oppure ora per perché però più poco poi prima proprio può qualche qualcosa qualcuno quale quali quando quanto quasi "
        "quella quelle quelli quello questa queste questi questo qui quindi sarà se sei sempre senza si sì sia siamo siete "
        "sono sopra sotto sta stata state stati stato su sua sue sugli sui sul sulla sulle sullo suo suoi tanto te ti tra "
        "troppo tu tua tue tuo tuoi tutta tutte tutti tutto un una uno v vi voi vostra vostro",
        PORTUGUESE: "a à agora ainda algo alguém algum alguma algumas alguns ali antes ao aos apenas após aquela aquele aqui "
        "as às assim até bem cada com como contra da das de dela dele demais depois desde do dos durante e é ela elas ele eles "
        "em embora enquanto então entre era eram essa essas esse esses está estão estar estava estavam este esta estas estes "
        "eu faz fez foi foram há isso isto já la lhe lo logo mais mas me menos mesma mesmo meu meus mim minha minhas muita "
        "muitas muito muitos na nada não nas nela nele nem nenhum nenhuma no nos nós nossa nossas nosso nossos num numa nunca o "
        "onde os ou outra outras outro outros para pela pelas pelo pelos perto pois por porque pouco pra qual quando quanto que "
        "quê quem se sem sempre sendo ser será seu seus si sido só sob sobre sou sua suas também tão te tem têm ter teu "
        "tinha tinham toda todas todo todos tu tua tudo um uma umas uns vai você vocês vou",
        DUTCH: "aan al alle alleen alles als altijd andere ben bij bijna daar daarna dan dat de deze die dit doch doen door "
        "dus een eens en er erg ge geen geweest haar had hadden heb hebben hebt heeft heel hem hen het hier hij hoe hun iemand "
        "iets ik in is ja je jij jou jouw kan kon kunnen maar me meer men met mij mijn moet moeten na naar niet niets nog nooit "
        "nu of om omdat onder ons onze ook op over reeds te tegen toch toen tot tussen u uit uw van veel voor waar waarom waren "
        "was wat we weer wel werd werden wie wij wil worden wordt zal ze zeer zelf zich zij zijn zo zonder zou",
    }.items()
}
