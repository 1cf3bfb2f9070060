/** TMDB's genres, and what titles of each are about in a generated catalogue. */

export interface Genre {
  readonly id: number
  readonly name: string
}

/** A genre with words of its own for generated plots. */
export interface PlotGenre extends Genre {
  readonly heroes: readonly string[]
  readonly things: readonly string[]
  readonly twists: readonly string[]
}

/** `/3/genre/movie/list`, the greater part of it. */
export const movieGenres: readonly PlotGenre[] = [
  {
    id: 18,
    name: 'Drama',
    heroes: ['a retired teacher', 'a lighthouse keeper', 'a young pianist', 'two estranged sisters', 'a widowed baker'],
    things: ['an unfinished letter', 'the family orchard', 'a debt that nobody mentions', 'an old promise'],
    twists: ['has to choose between loyalty and the truth', 'learns to forgive before the winter comes'],
  },
  {
    id: 35,
    name: 'Comedy',
    heroes: [
      'a clumsy wedding planner',
      'a failed magician',
      'the worst football team of the county',
      'a bored librarian',
    ],
    things: ['a runaway goat', 'the wrong suitcase', 'a cake the size of a house', 'an invented cousin'],
    twists: ['makes everything worse in the most cheerful way', 'has one weekend to put it all right again'],
  },
  {
    id: 28,
    name: 'Action',
    heroes: ['a former courier', 'a bridge engineer', 'an undercover agent', 'a bodyguard with a grudge'],
    things: ['a stolen convoy', 'the last armoured train', 'a ticking device', 'a hijacked ferry'],
    twists: ['races across the city with every gun behind', 'must fight an army of old friends'],
  },
  {
    id: 53,
    name: 'Thriller',
    heroes: ['a sleepless reporter', 'a witness without a name', 'a night-shift nurse', 'a forger'],
    things: ['a recorded confession', 'a room without doors', 'a list of eleven names', 'a phone that keeps ringing'],
    twists: ['cannot tell the hunters from the hunted', 'finds the own name at the end of the list'],
  },
  {
    id: 80,
    name: 'Crime',
    heroes: ['a tired detective', 'a safecracker on parole', 'a small-town prosecutor', 'a gambler with a secret'],
    things: ['a murder in the old harbour', 'a vault that was empty all along', 'a missing ledger', 'a perfect alibi'],
    twists: ['uncovers a secret that the whole town has kept', 'makes a deal that cannot be kept'],
  },
  {
    id: 878,
    name: 'Science Fiction',
    heroes: ['the crew of a salvage ship', 'a robot gardener', 'a time-lost pilot', 'a linguist on a distant moon'],
    things: [
      'a signal from beneath the ice',
      'a star that answers',
      'a colony that stopped speaking',
      'the last seed bank',
    ],
    twists: ['discovers that the future has already been sold', 'has to teach a machine how to lie'],
  },
  {
    id: 27,
    name: 'Horror',
    heroes: ['a night watchman', 'a family in a rented house', 'a choir of children', 'a sceptical priest'],
    things: ['a well that hums', 'a mirror under a sheet', 'a voice from the nursery', 'a village without shadows'],
    twists: ['understands too late who opened the door', 'must not fall asleep until dawn'],
  },
  {
    id: 10749,
    name: 'Romance',
    heroes: ['a shy clockmaker', 'a travelling actress', 'two rival florists', 'a pen pal of twenty years'],
    things: [
      'a dance that was never danced',
      'a bundle of love letters',
      'a summer by the lake',
      'a borrowed umbrella',
    ],
    twists: ['falls in love with the one person who must not know', 'has until the last train to say it'],
  },
  {
    id: 12,
    name: 'Adventure',
    heroes: ['a map-maker', 'an orphaned sailor', 'a treasure diver', 'a stubborn mountaineer'],
    things: ['an island that moves', 'a map with a missing corner', 'a river of glass', 'a forgotten expedition'],
    twists: ['sails further than any chart goes', 'finds that the treasure was the warning'],
  },
  {
    id: 16,
    name: 'Animation',
    heroes: ['a brave little tugboat', 'a fox who cannot lie', 'a snail with great plans', 'a paper kite'],
    things: [
      'the longest night of the forest',
      'a singing stone',
      'a cloud that will not rain',
      'a race around the pond',
    ],
    twists: ['finds friends where nobody would look', 'shows everyone that small is not the same as weak'],
  },
  {
    id: 10751,
    name: 'Family',
    heroes: ['three brothers and a dog', 'a grandmother with a motorbike', 'an inventive girl', 'a whole orphanage'],
    things: ['a holiday that goes wrong', 'a treehouse parliament', 'a snowed-in birthday', 'a stray elephant'],
    twists: ['brings two quarrelling families together', 'needs all the neighbours and a very long rope'],
  },
  {
    id: 99,
    name: 'Documentary',
    heroes: ['a team of divers', 'the last bell founders', 'a village of beekeepers', 'an archive of lost songs'],
    things: [
      'a vanishing coastline',
      'a craft of four centuries',
      'a strike that changed a valley',
      'a season of storms',
    ],
    twists: ['shows what is left and who remembers it', 'asks who owns the story of a place'],
  },
  {
    id: 36,
    name: 'History',
    heroes: ['a royal messenger', 'a rebellious printer', 'a surgeon of the old war', 'the queen’s translator'],
    things: ['a treaty written in haste', 'a siege of forty days', 'a forbidden pamphlet', 'the fall of a dynasty'],
    twists: ['stands between two armies with nothing but words', 'pays for a peace that nobody wanted'],
  },
  {
    id: 37,
    name: 'Western',
    heroes: ['an ageing sheriff', 'a silent rider', 'a telegraph operator', 'a rancher’s daughter'],
    things: ['a stagecoach full of silver', 'a dry well', 'a railway that must not be built', 'a wanted poster'],
    twists: ['rides out once more to settle an old score', 'waits for the noon train and five men'],
  },
]

/** `/3/genre/tv/list`, with the ids that only series have. */
export const seriesGenres: readonly PlotGenre[] = [
  ...movieGenres.filter((genre) => [18, 35, 80, 16, 10751, 99, 37].includes(genre.id)),
  { ...movieGenres.find((genre) => genre.id === 878)!, id: 10765, name: 'Sci-Fi & Fantasy' },
  { ...movieGenres.find((genre) => genre.id === 28)!, id: 10759, name: 'Action & Adventure' },
  {
    id: 9648,
    name: 'Mystery',
    heroes: ['an amateur detective', 'a coroner and her nephew', 'a book restorer', 'a retired inspector'],
    things: ['a disappearance in the fog', 'a coded diary', 'a secret beneath the abbey', 'a stranger’s inheritance'],
    twists: ['finds one clue too many each week', 'comes closer to a secret that others have died for'],
  },
]
