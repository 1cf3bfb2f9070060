/** Films and series as people remember them, and the titles that they mean. */

/** A question to a search, and what it shall find. */
export interface QualityQuery {
  readonly query: string
  /** TMDB ids of what is meant; more than one where nobody could tell which. */
  readonly expected: readonly { readonly type: 'movies' | 'tv_series'; readonly id: number; readonly title: string }[]
}

const movie = (query: string, ...titles: readonly (readonly [id: number, title: string])[]): QualityQuery => ({
  query,
  expected: titles.map(([id, title]) => ({ type: 'movies', id, title })),
})
const series = (query: string, id: number, title: string): QualityQuery => ({
  query,
  expected: [{ type: 'tv_series', id, title }],
})

/** Written from memory: no words of the catalogue's own texts but those that nobody can avoid. */
export const qualityQueries: readonly QualityQuery[] = [
  movie('dreams inside dreams, thieves who plant an idea in a sleeping man', [27205, 'Inception']),
  movie('botanist left behind on Mars grows potatoes', [286217, 'The Martian']),
  movie('little fish with a bad fin gets lost and his dad crosses the sea', [12, 'Finding Nemo']),
  movie('old widower ties balloons to his home and floats to South America with a boy scout', [14160, 'Up']),
  movie('his whole life is a television show and he does not know it', [37165, 'The Truman Show']),
  movie('rat who cooks in a Paris restaurant', [2062, 'Ratatouille']),
  movie('banker sent to prison for killing his wife digs his way out', [278, 'The Shawshank Redemption']),
  movie('kid who can see ghosts and his psychologist', [745, 'The Sixth Sense']),
  movie('two magicians who try to outdo each other', [1124, 'The Prestige']),
  movie('lonely man falls in love with the voice of his computer', [152601, 'Her']),
  movie('ship sinks after hitting an iceberg, poor artist loves a rich girl', [597, 'Titanic']),
  movie('drummer bullied by a cruel music teacher', [244786, 'Whiplash']),
  movie('cannot make a sound or the creatures will kill you', [447332, 'A Quiet Place']),
  movie('linguist learns how to talk to aliens who have just landed', [329865, 'Arrival']),
  movie('shark terrorises a beach town in summer', [578, 'Jaws']),
  movie('dinosaurs cloned for a theme park break loose', [329, 'Jurassic Park'], [135397, 'Jurassic World']),
  movie('writer goes mad as winter caretaker of an empty hotel', [694, 'The Shining']),
  movie('detectives hunt a murderer who kills by the deadly sins', [807, 'Se7en']),
  movie('a couple has memories of each other erased', [38, 'Eternal Sunshine of the Spotless Mind']),
  movie('castaway whose only friend is a volleyball', [8358, 'Cast Away']),
  movie('teen travels through time in a car and puts his parents together', [105, 'Back to the Future']),
  movie('Cuban refugee becomes cocaine king of Miami', [111, 'Scarface']),
  movie('German businessman rescues Jews by employing them in his factory', [424, "Schindler's List"]),
  movie('British mathematician breaks the Nazi cipher machine', [205596, 'The Imitation Game']),
  movie('boy shares a lifeboat with a tiger', [87827, 'Life of Pi']),
  movie('angry office worker meets a soap salesman and they start underground brawls', [550, 'Fight Club']),
  movie('emotions living in the head of a girl who moves to another city', [150540, 'Inside Out']),
  movie('black guy visits the white family of his girlfriend and something is very wrong', [419430, 'Get Out']),
  movie('father with special skills looks for kidnapped daughter in Paris', [8681, 'Taken']),
  movie('archer princess who does not want to be married turns her mother into a bear', [62177, 'Brave']),
  movie('creature whose job is scaring children befriends a toddler', [585, 'Monsters, Inc.']),
  movie('retired hitman takes revenge because they killed his puppy', [245891, 'John Wick']),
  movie('street thief finds a lamp with a wish granting spirit', [812, 'Aladdin'], [420817, 'Aladdin']),
  movie('policeman alone against terrorists in a skyscraper at Christmas', [562, 'Die Hard']),
  movie('ballerina loses her mind over the lead in Swan Lake', [44214, 'Black Swan']),
  movie('robot left alone to clean up an abandoned earth falls in love', [10681, 'WALL·E']),
  movie('single dad without a home sells medical scanners and becomes a stockbroker', [
    1402,
    'The Pursuit of Happyness',
  ]),
  movie('con man teenager flies around posing as a pilot while the FBI chases him', [640, 'Catch Me If You Can']),
  series('poor people play playground games to the death for money', 93405, 'Squid Game'),
  series('employees whose work memories are cut off from their private life', 95396, 'Severance'),
  series('American football coach hired by an English soccer club', 97546, 'Ted Lasso'),
  series('fungus turned people into monsters and a smuggler takes a girl across America', 100088, 'The Last of Us'),
  series('noble houses fight over a throne, dragons and an ice wall', 1399, 'Game of Thrones'),
  series('girl in black with braids at a boarding school for outcasts', 119051, 'Wednesday'),
  series('gifted cook comes home to run the family sandwich shop after his brother dies', 136315, 'The Bear'),
  series('women forced to bear children for the rulers of a religious dictatorship', 69478, "The Handmaid's Tale"),
  series('mad scientist drags his grandson through dimensions', 60625, 'Rick and Morty'),
  series('thousands live deep underground and nobody may ask what is outside', 125988, 'Silo'),
  series('elf mage outlives her companions and travels to understand people', 209867, "Frieren: Beyond Journey's End"),
  series('what if the Soviets had been first on the moon', 87917, 'For All Mankind'),
]
