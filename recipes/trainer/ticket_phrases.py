"""The wording from which tickets.py puts customers' messages together.

Only text lives here. `{product}`, `{order}`, `{amount}`, `{day}` and `{code}` are filled in by tickets.py.
"""

PRODUCTS = (
    "Luma Lamp",
    "Orbit Router",
    "Pico Camera",
    "Tempo Watch",
    "Brisk Kettle",
    "Quill Tablet",
    "Drift Speaker",
    "Glide Vacuum",
    "Murmur Earbuds",
    "Sento Thermostat",
)

# What the message is about. Every wording belongs to exactly one category.
PROBLEMS = {
    "billing": (
        "I was charged twice for my {product}, {amount} each time.",
        "The invoice for the {product} shows {amount}, but I agreed to less.",
        "My card was billed {amount} for a {product} that I never ordered.",
        "The discount code {code} was not taken off the price of the {product}.",
        "I need an invoice with our VAT number for the {product}, order {order}.",
        "You took {amount} from my account on {day} for the {product} and I do not know why.",
        "My payment for the {product} went through, yet I still get reminders to pay {amount}.",
        "The monthly fee for the {product} plan went up to {amount} without a word.",
        "I cancelled the {product} plan and {amount} was debited again.",
        "The receipt for the {product} has the wrong company name on it.",
        "Can I pay for the {product} in three instalments instead of {amount} at once?",
        "Your shop declined my card for the {product}, but the bank says {amount} is blocked.",
    ),
    "delivery": (
        "My {product} should have arrived on {day} and there is still no parcel.",
        "The tracking for order {order} has not moved since {day}, it is a {product}.",
        "The courier left the {product} with a neighbour whom I do not know.",
        "The box with the {product} came open and soaked with rain.",
        "Order {order} arrived, but the {product} is missing from the box.",
        "I moved house: please send the {product} to my new address.",
        "The parcel says delivered on {day}, but nobody here has seen a {product}.",
        "Can you ship the {product} to an office that is closed on {day}?",
        "I was told two days for the {product} and it is now two weeks on the road.",
        "The driver says that the street does not exist, so my {product} went back to the depot.",
        "Only one of the two parcels came, the one with the {product} is lost.",
        "Customs is holding the {product} from order {order} and wants papers from you.",
    ),
    "technical": (
        "My {product} does not switch on any more since {day}.",
        "The {product} loses its connection every few minutes.",
        "After the last update my {product} shows error {code} and stops.",
        "The app cannot find the {product}, although Bluetooth is on.",
        "The {product} gets very hot and smells of plastic.",
        "The battery of my {product} lasts barely an hour now.",
        "The {product} keeps restarting in the middle of everything.",
        "There is a loud buzzing sound from the {product} since {day}.",
        "The buttons of my {product} react only after the third press.",
        "My {product} froze at 80 percent while installing the new firmware.",
        "The light on the {product} blinks red and the manual says nothing about it.",
        "The {product} forgets all its settings overnight.",
    ),
    "account": (
        "I cannot log in to register my {product}, the reset mail never comes.",
        "Somebody else changed the password of the account that my {product} is tied to.",
        "Please change the e-mail address under which the {product} is registered.",
        "The sign-in code for the {product} account is always refused.",
        "I have two logins and the {product} sits in the wrong one, please merge them.",
        "My profile says locked after I added the {product} on {day}.",
        "Delete my login and everything you stored about me and the {product}.",
        "My colleague left and I need her user for the {product} moved to me.",
        "I lost the phone with the authenticator, so I cannot reach the {product} settings page.",
        "The family login for the {product} does not accept a fourth member.",
        "The verification text for the {product} profile goes to my old number.",
        "My user name for the {product} portal is spelled wrong, how do I correct it?",
    ),
    "return": (
        "I would like to send the {product} back, it is not what I expected.",
        "Please give me a return label for the {product} from order {order}.",
        "I returned the {product} on {day} and have not seen my money.",
        "The {product} is the wrong colour, I want to swap it.",
        "I unpacked the {product} once, may I still give it back?",
        "My refund for the {product} is {amount} short.",
        "I got the {product} as a gift and already own one, can I exchange it?",
        "The {product} arrived with a scratch, please take it back and send another.",
        "The return parcel with the {product} came back to me unopened.",
        "I want my money back for the {product}, order {order}.",
        "Your warehouse says that it never got my returned {product}.",
        "Is it possible to trade in my {product} for the bigger model?",
    ),
    "sales": (
        "Does the {product} work abroad as well?",
        "Which sizes does the {product} come in?",
        "We want to buy thirty pieces of the {product} for our school, is there a better price?",
        "When will the {product} be back in stock?",
        "What is the difference between the {product} and last year's model?",
        "Is there a demo of the {product} that I can see in a store on {day}?",
        "How long is the warranty of the {product} if I buy it today?",
        "Do you sell spare parts and covers for the {product}?",
        "I run a small shop and would like to resell the {product}.",
        "Will the {product} still get updates in five years?",
        "Can I order the {product} in green with our logo?",
        "Before I choose the {product}: can it be used without the cloud?",
    ),
}

# How pressing it is. The empty wording says nothing about it, which counts as normal.
URGENCIES = {
    "urgent": (
        "This is an emergency, please act right now.",
        "Our shop cannot open until this is solved.",
        "I need it sorted out within the hour.",
        "We lose customers every minute because of this.",
        "Everything here stands still because of it.",
        "Call me at once, this cannot wait.",
        "Forty people are waiting on this as I write.",
        "My talk starts in two hours and depends on it.",
    ),
    "high": (
        "I need this settled by tomorrow.",
        "It is holding up my work.",
        "This is the third time that I am writing to you.",
        "I cannot wait another week for it.",
        "I am really upset about this.",
        "Please put this near the top of your list.",
        "If it is not dealt with soon I will go elsewhere.",
        "I have been patient, but now I need a solution quickly.",
    ),
    "normal": (
        "",
        "Please let me know what to do.",
        "Could you look into it?",
        "What are the next steps?",
        "I would be glad of an answer this week.",
        "Tell me if you need anything else from me.",
        "Can you check this for me?",
        "I look forward to hearing from you.",
    ),
    "low": (
        "No hurry at all.",
        "Whenever you have a moment is fine.",
        "It is not a big deal.",
        "This can easily wait until next month.",
        "Just curious, it is nothing pressing.",
        "Answer when it suits you, I am in no rush.",
        "It does not bother me much, I only wanted to mention it.",
        "Take your time with this one.",
    ),
}

GREETINGS = (
    "", "", "", "Hi!", "Hello.", "Hello team!", "Good morning!", "Dear support team:", "Hi there!", "Hey!", "Good evening.",
    "To whom it may concern:",
)  # fmt: skip

# Small talk that says nothing about any of the three answers.
ASIDES = (
    "", "", "", "", "My neighbour recommended you.", "I have been a customer for years.", "I already read the help pages.",
    "I tried the chat first, but it was full.", "My wife set it up with me.", "I am writing from my phone.",
    "The shop assistant could not tell me.", "My order number is {order}.", "I live in the countryside.",
    "We use it every day.", "I bought it on a {day}.",
)  # fmt: skip

CLOSINGS = (
    "", "", "", "Thanks!", "Thank you.", "Kind regards, {name}", "Best, {name}", "Cheers, {name}", "Yours, {name}",
    "Many thanks, {name}", "{name}", "Regards, {name}",
)  # fmt: skip

NAMES = (
    "Anna", "Tom", "Mrs Okafor", "J. Weber", "Lucia", "Marek", "Priya", "Sam", "Dr Lindqvist", "Yusuf", "Elena", "Ben",
    "Chloe", "Hiro", "Nadia", "Paul",
)  # fmt: skip

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
CODES = ("E14", "E27", "E303", "F7", "SPRING10", "HELLO5", "B52", "X9")
