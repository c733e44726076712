"""Common given and family names, and the spellings in which member files write the same thing.

The names are the most frequent ones of the United States (Social Security Administration, Census Bureau); none stands
for a person.
"""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FEMALE_NAMES: tuple[str, ...] = _words(
    """Mary Patricia Jennifer Linda Elizabeth Barbara Susan Jessica Karen Sarah Lisa Nancy Sandra Betty Ashley Emily
    Kimberly Margaret Donna Michelle Carol Amanda Melissa Deborah Stephanie Rebecca Sharon Laura Cynthia Dorothy Amy
    Kathleen Angela Shirley Emma Brenda Pamela Nicole Anna Samantha Katherine Christine Debra Rachel Carolyn Janet Maria
    Olivia Heather Helen Catherine Diane Julie Victoria Joyce Lauren Kelly Christina Ruth Joan Virginia Judith Evelyn
    Hannah Andrea Megan Cheryl Jacqueline Madison Teresa Abigail Sophia Martha Sara Gloria Janice Kathryn Ann Isabella
    Judy Charlotte Julia Grace Amber Alice Jean Denise Frances Danielle Marilyn Natalie Beverly Diana Brittany Theresa
    Kayla Alexis Doris Lori Tiffany"""
)

MALE_NAMES: tuple[str, ...] = _words(
    """James Robert John Michael David William Richard Joseph Thomas Christopher Charles Daniel Matthew Anthony Mark
    Donald Steven Andrew Paul Joshua Kenneth Kevin Brian George Timothy Ronald Jason Edward Jeffrey Ryan Jacob Gary
    Nicholas Eric Jonathan Stephen Larry Justin Scott Brandon Benjamin Samuel Gregory Alexander Patrick Frank Raymond
    Jack Dennis Jerry Tyler Aaron Jose Adam Nathan Henry Zachary Douglas Peter Kyle Noah Ethan Jeremy Walter Christian
    Keith Roger Terry Austin Sean Gerald Carl Harold Dylan Arthur Lawrence Jordan Jesse Bryan Billy Bruce Gabriel Joe
    Logan Alan Juan Albert Willie Elijah Wayne Randy Vincent Mason Roy Ralph Bobby Russell Bradley Philip
    Eugene"""
)

FIRST_NAMES = FEMALE_NAMES + MALE_NAMES
"""One half for each sex, in the order of the codes of sex."""

LAST_NAMES: tuple[str, ...] = _words("""
    Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Gonzalez
    Wilson Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris Sanchez Clark
    Ramirez Lewis Robinson Walker Young Allen King Wright Scott Torres Nguyen Hill Flores Green Adams
    Nelson Baker Hall Rivera Campbell Mitchell Carter Roberts Gomez Phillips Evans Turner Diaz Parker
    Cruz Edwards Collins Reyes Stewart Morris Morales Murphy Cook Rogers Gutierrez Ortiz Morgan Cooper
    Peterson Bailey Reed Kelly Howard Ramos Kim Cox Ward Richardson Watson Brooks Chavez Wood James
    Bennett Gray Mendoza Ruiz Hughes Price Alvarez Castillo Sanders Patel Myers Long Ross Foster
    O'Connor""")

SEX_SPELLINGS: tuple[tuple[str, ...], ...] = (("female", "Female", "F", "f"), ("male", "Male", "M", "m"))
REGION_SPELLINGS: tuple[tuple[str, ...], ...] = (
    ("northeast", "Northeast", "NORTHEAST", "North-East"),
    ("northwest", "Northwest", "NORTHWEST", "North-West"),
    ("southeast", "Southeast", "SOUTHEAST", "South-East"),
    ("southwest", "Southwest", "SOUTHWEST", "South-West"),
)
SMOKER_SPELLINGS: tuple[tuple[str, ...], ...] = (("no", "No", "false", "0"), ("yes", "Yes", "true", "1"))
"""In the order of the codes; the first spelling of each is the usual one."""

PLANS: tuple[str, ...] = ("Bronze", "Silver", "Gold", "Platinum", "HMO", "PPO", "HDHP", "Medicare", "Family Saver")

UNKNOWN_REGION = "midwest"
UNREADABLE_BMI = "see chart"

ID_SPELLINGS: tuple[tuple[str, str], ...] = (("MBR", ""), ("mbr", ""), (" MBR", ""), ("MBR", " "))
"""What stands before and behind the number of a member's id; the first is the usual."""
