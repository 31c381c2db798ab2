namespace MsResampler.Scenes;

/// <summary>A question about a scene, with its answer. Its fields, without the answer, are the code that the reader
/// gets.</summary>
/// <param name="Task">The kind.</param>
/// <param name="Cell">The cell, or the first of two; −1 if the kind has none.</param>
/// <param name="OtherCell">The second cell; −1 if the kind has none.</param>
/// <param name="Quadrant">The quadrant; −1 if the kind has none.</param>
/// <param name="Class">The class; −1 if the kind has none.</param>
/// <param name="Answer">The right answer, from 0.</param>
internal readonly record struct Question(QuestionTask Task, int Cell, int OtherCell, int Quadrant, int Class,
    int Answer)
{
    /// <summary>The number of kinds.</summary>
    public const int TaskCount = 5;

    /// <summary>The highest count that is an answer; it stands for itself and for more.</summary>
    public const int MaxCount = 3;

    /// <summary>The number of possible answers.</summary>
    public static int AnswerCount(QuestionTask task) => task switch
    {
        QuestionTask.Region => MaxCount + 1,
        QuestionTask.Compare or QuestionTask.Detail => 2,
        _ => GarmentSet.ClassCount,
    };

    /// <summary>The answers of all kinds in one list: where those of a kind start.</summary>
    public static int FirstAnswer(QuestionTask task)
    {
        int first = 0;
        for (QuestionTask before = 0; before < task; before++)
            first += AnswerCount(before);
        return first;
    }

    /// <summary>Draws questions about a scene: <paramref name="countPerTask"/> of each kind, kind by kind.</summary>
    public static Question[] Draw(Scene scene, int countPerTask)
    {
        SceneRandom random = scene.QuestionRandom();
        Question[] questions = new Question[TaskCount * countPerTask];
        for (int index = 0; index < questions.Length; index++)
            questions[index] = Draw(scene, (QuestionTask)(index / countPerTask), ref random);
        return questions;
    }

    /// <summary>The right answer, from the contents of the scene.</summary>
    public static int AnswerOf(Scene scene, QuestionTask task, int cell, int otherCell, int quadrant, int garmentClass)
    {
        int[] counts;
        switch (task)
        {
            case QuestionTask.Local:
                return scene.Cells[cell].Class;
            case QuestionTask.Region:
                counts = scene.CountClasses(place => SceneLayout.QuadrantOf(place) == quadrant);
                return Math.Min(counts[garmentClass], MaxCount);
            case QuestionTask.Global:
                counts = scene.CountClasses();
                return Array.IndexOf(counts, counts.Max());
            case QuestionTask.Compare:
                return scene.Cells[cell].Class == scene.Cells[otherCell].Class ? 1 : 0;
            default:
                return scene.Cells[cell].IsMirrored ? 1 : 0;
        }
    }

    /// <summary>The question and its answers in words, for display.</summary>
    public override string ToString() => Task switch
    {
        QuestionTask.Local => $"Which garment is {Place(Cell)}?",
        QuestionTask.Region => $"How many of class {GarmentSet.ClassNames[Class]} are in the " +
            $"{QuadrantNames[Quadrant]} quarter?",
        QuestionTask.Global => "Which class is the most frequent?",
        QuestionTask.Compare => $"Is the class {Place(Cell)} the same as {Place(OtherCell)}?",
        _ => $"Where does the shoe {Place(Cell)} point?",
    };

    private static IReadOnlyList<string> QuadrantNames { get; } =
        ["top left", "top right", "bottom left", "bottom right"];

    /// <summary>An answer in words.</summary>
    public string Describe(int answer) => Task switch
    {
        QuestionTask.Region => answer == MaxCount ? $"{MaxCount} or more" : $"{answer}",
        QuestionTask.Compare => answer == 1 ? "yes" : "no",
        QuestionTask.Detail => answer == 1 ? "to the right" : "to the left",
        _ => GarmentSet.ClassNames[answer],
    };

    private static string Place(int cell)
        => $"in row {(cell / SceneLayout.CellsPerSide) + 1}, column {(cell % SceneLayout.CellsPerSide) + 1}";

    private static Question Draw(Scene scene, QuestionTask task, ref SceneRandom random)
    {
        int cell = -1;
        int otherCell = -1;
        int quadrant = -1;
        int garmentClass = -1;
        switch (task)
        {
            case QuestionTask.Local:
                cell = DrawCell(scene, ref random, _ => true);
                break;
            case QuestionTask.Region:
                (quadrant, garmentClass) = DrawRegion(scene, ref random);
                break;
            case QuestionTask.Compare:
                (cell, otherCell) = DrawPair(scene, ref random);
                break;
            case QuestionTask.Detail:
                cell = DrawCell(scene, ref random, place => GarmentSet.IsShoe(scene.Cells[place].Class));
                break;
        }

        return new Question(task, cell, otherCell, quadrant, garmentClass,
            AnswerOf(scene, task, cell, otherCell, quadrant, garmentClass));
    }

    private static int DrawCell(Scene scene, ref SceneRandom random, Func<int, bool> isAllowed)
    {
        int[] cells = [.. Enumerable.Range(0, SceneLayout.CellCount)
            .Where(cell => !scene.Cells[cell].IsEmpty && isAllowed(cell))];
        return cells[random.Below(cells.Length)];
    }

    // Each count that occurs is equally likely, so that guessing the most frequent count does not help.
    private static (int Quadrant, int Class) DrawRegion(Scene scene, ref SceneRandom random)
    {
        List<(int Quadrant, int Class)>[] byCount = [.. Enumerable.Range(0, MaxCount + 1)
            .Select(_ => new List<(int, int)>())];
        for (int quadrant = 0; quadrant < SceneLayout.QuadrantCount; quadrant++)
        {
            int here = quadrant;
            int[] counts = scene.CountClasses(cell => SceneLayout.QuadrantOf(cell) == here);
            foreach (int garmentClass in scene.Palette)
                byCount[Math.Min(counts[garmentClass], MaxCount)].Add((quadrant, garmentClass));
        }

        List<(int Quadrant, int Class)> choices;
        do
        {
            choices = byCount[random.Below(byCount.Length)];
        }
        while (choices.Count == 0);
        return choices[random.Below(choices.Count)];
    }

    // Half of the pairs are of the same class.
    private static (int Cell, int OtherCell) DrawPair(Scene scene, ref SceneRandom random)
    {
        int[] counts = scene.CountClasses();
        bool isSame = random.Coin();
        int cell = DrawCell(scene, ref random, place => !isSame || counts[scene.Cells[place].Class] > 1);
        int garmentClass = scene.Cells[cell].Class;
        int other = DrawCell(scene, ref random,
            place => place != cell && (scene.Cells[place].Class == garmentClass) == isSame);
        return (cell, other);
    }
}
