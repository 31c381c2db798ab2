using MsResampler.Scenes;

namespace MsResampler.Training.Tests.Scenes;

/// <summary>Scenes and questions.</summary>
internal sealed class SceneTests
{
    private const int SceneCount = 300;

    private static readonly GarmentSet s_garments = SyntheticGarments.Create();

    private static float[] Features(Scene scene, int scale)
    {
        float[] canvas = new float[SceneLayout.CanvasSide(scale) * SceneLayout.CanvasSide(scale)];
        float[] features = new float[canvas.Length];
        scene.Features(scale, canvas, features);
        return features;
    }

    [Test]
    public void A_scene_depends_only_on_the_seed_and_the_index([Values(1, 2)] int scale)
    {
        Scene scene = new(s_garments, seed: 5, index: 17);
        _ = new Scene(s_garments, seed: 5, index: 3);
        Scene again = new(s_garments, seed: 5, index: 17);
        Assert.That(again.Cells, Is.EqualTo(scene.Cells));
        Assert.That(Features(again, scale), Is.EqualTo(Features(scene, scale)));
        Assert.That(Question.Draw(again, 3), Is.EqualTo(Question.Draw(scene, 3)));
        Assert.That(new Scene(s_garments, seed: 6, index: 17).Cells, Is.Not.EqualTo(scene.Cells));
        Assert.That(new Scene(s_garments, seed: 5, index: 18).Cells, Is.Not.EqualTo(scene.Cells));
    }

    // Literal values, so that a change of the random numbers, which would change all results, is seen.
    [Test]
    public void A_known_scene_has_known_contents()
    {
        Scene scene = new(s_garments, seed: 1, index: 2);
        Assert.That(string.Concat(scene.Cells.Select(cell => cell.IsEmpty ? "." : $"{cell.Class}")),
            Is.EqualTo(".11...15.86588.8"));
    }

    [Test]
    public void Answers_agree_with_a_count_by_hand()
    {
        for (int index = 0; index < SceneCount; index++)
        {
            Scene scene = new(s_garments, seed: 9, index);
            foreach (Question question in Question.Draw(scene, 4))
                Assert.That(question.Answer, Is.EqualTo(ByHand(scene, question)), $"{index}: {question}");
        }
    }

    [Test]
    public void Every_answer_of_every_kind_occurs_and_none_dominates()
    {
        int[][] counts = [.. Enumerable.Range(0, Question.TaskCount)
            .Select(task => new int[Question.AnswerCount((QuestionTask)task)])];
        for (int index = 0; index < SceneCount; index++)
        {
            foreach (Question question in Question.Draw(new Scene(s_garments, seed: 9, index), 4))
                counts[(int)question.Task][question.Answer]++;
        }

        foreach (int[] answers in counts)
        {
            Assert.That(answers.Min(), Is.Positive);
            // At most 1.8 times the share of equal shares; two answers: at most 60 %, 4.9 standard deviations of 1200.
            Assert.That(answers.Max(),
                Is.LessThan(SceneCount * 4 * (answers.Length == 2 ? 0.6 : 1.8 / answers.Length)));
        }
    }

    [Test]
    public void Questions_about_mirrored_garments_concern_shoes_and_pairs_are_of_two_cells()
    {
        for (int index = 0; index < SceneCount; index++)
        {
            Scene scene = new(s_garments, seed: 9, index);
            foreach (Question question in Question.Draw(scene, 4))
            {
                if (question.Task == QuestionTask.Detail)
                    Assert.That(GarmentSet.IsShoe(scene.Cells[question.Cell].Class));
                if (question.Task == QuestionTask.Compare)
                    Assert.That(question.OtherCell, Is.Not.EqualTo(question.Cell));
                if (question.Cell >= 0)
                    Assert.That(scene.Cells[question.Cell].IsEmpty, Is.False);
            }
        }
    }

    [Test]
    public void A_garment_is_drawn_in_its_cell_and_mirrored_when_it_says_so([Values(1, 2)] int scale)
    {
        Scene scene = new(s_garments, seed: 3, index: 4);
        int side = SceneLayout.CanvasSide(scale);
        float[] canvas = new float[side * side];
        scene.Draw(scale, canvas);
        int cellSide = SceneLayout.CellSide * scale;
        for (int cell = 0; cell < SceneLayout.CellCount; cell++)
        {
            SceneCell content = scene.Cells[cell];
            if (content.IsEmpty)
                continue;
            float left = 0;
            float right = 0;
            for (int row = 0; row < cellSide; row++)
            {
                for (int column = 0; column < cellSide; column++)
                {
                    float pixel = canvas[(((cell / SceneLayout.CellsPerSide * cellSide) + row) * side) +
                        (cell % SceneLayout.CellsPerSide * cellSide) + column];
                    if (column < cellSide / 2)
                        left += pixel;
                    else
                        right += pixel;
                }
            }

            Assert.That(content.IsMirrored ? right > left : left > right, $"cell {cell}");
        }
    }

    [Test]
    public void Patches_hold_every_pixel_once([Values(1, 2)] int scale)
    {
        int side = SceneLayout.CanvasSide(scale);
        float[] canvas = [.. Enumerable.Range(0, side * side).Select(index => (float)index)];
        float[] features = new float[canvas.Length];
        Scene.ToPatches(scale, canvas, features);
        PatchGrid grid = SceneLayout.Grid(scale);
        Assert.That(features, Has.Length.EqualTo(grid.PatchCount * SceneLayout.FeatureSize));
        Assert.That(features.Distinct().Count(), Is.EqualTo(features.Length));
        // The second patch of the second row of patches starts 4 pixels below and right of the corner.
        int patch = grid.Columns + 1;
        Assert.That(features[patch * SceneLayout.FeatureSize] - features[0],
            Is.EqualTo(((4 * side) + 4) / 0.28f).Within(1e-2f));
    }

    private static int ByHand(Scene scene, Question question)
    {
        SceneCell[] garments = [.. scene.Cells.Where(cell => !cell.IsEmpty)];
        switch (question.Task)
        {
            case QuestionTask.Region:
                int top = question.Quadrant < 2 ? 0 : 2;
                int left = question.Quadrant % 2 == 0 ? 0 : 2;
                int count = 0;
                for (int row = top; row < top + 2; row++)
                {
                    for (int column = left; column < left + 2; column++)
                        count += scene.Cells[(4 * row) + column].Class == question.Class ? 1 : 0;
                }

                return Math.Min(count, 3);
            case QuestionTask.Global:
                return garments.GroupBy(cell => cell.Class).OrderByDescending(group => group.Count()).First().Key;
            case QuestionTask.Compare:
                return scene.Cells[question.Cell].Class == scene.Cells[question.OtherCell].Class ? 1 : 0;
            case QuestionTask.Detail:
                return scene.Cells[question.Cell].IsMirrored ? 1 : 0;
            default:
                return scene.Cells[question.Cell].Class;
        }
    }
}
