using MsResampler.Claim.Arms;
using MsResampler.Claim.Runs;
using MsResampler.Cli.Input;
using MsResampler.Scenes;
using MsResampler.Vision;
using SkiaSharp;

namespace MsResampler.Training.Tests.Scenes;

/// <summary>The trained model of the demo, its garments and its pictures.</summary>
internal sealed class DemoModelTests
{
    private const int SceneCount = 200;
    private const int QuestionsPerTask = 2;

    // Scenes that neither the experiment nor the demo draws.
    private const ulong Sequence = 5_000_000;

    // Accuracy on these scenes when the model was exported, 0.718, 0.708, 0.690, 0.858 and 0.920, minus 4 standard
    // errors √(a·(1 − a)/n) with n = 400 questions of each kind: another instruction set can change answers whose
    // scores are nearly equal, but not so many. Chance is 0.1, 0.25, 0.1, 0.5 and 0.5.
    private static readonly double[] s_lowest = [0.627, 0.616, 0.597, 0.787, 0.865];

    [Test]
    public void The_model_answers_questions_about_garments_that_it_was_not_trained_on()
    {
        using Resampler resampler = Resampler.Load(DemoModel.ReadWeights(), DemoModel.ReadConfig());
        Reader reader = DemoModel.LoadReader();
        GarmentSet garments = GarmentSet.LoadDemo();
        int[] right = new int[Question.TaskCount];
        for (int index = 0; index < SceneCount; index++)
        {
            Scene scene = new(garments, Sequence, index);
            Question[] questions = Question.Draw(scene, QuestionsPerTask);
            reader.Ask(resampler.Resample(ScenePicture.Features(ScenePicture.Draw(scene)), SceneLayout.Grid(1)),
                questions);
            for (int question = 0; question < questions.Length; question++)
            {
                if (reader.BestAnswer(question) == questions[question].Answer)
                    right[(int)questions[question].Task]++;
            }
        }

        double[] accuracy = [.. right.Select(count => (double)count / (SceneCount * QuestionsPerTask))];
        TestContext.Out.WriteLine(string.Join(", ", accuracy));
        using (Assert.EnterMultipleScope())
        {
            for (QuestionTask task = 0; (int)task < Question.TaskCount; task++)
                Assert.That(accuracy[(int)task], Is.GreaterThan(s_lowest[(int)task]), $"{task}");
        }
    }

    [Test]
    public void The_features_of_a_picture_are_those_of_the_command()
    {
        byte[] pixels = ScenePicture.Draw(new Scene(GarmentSet.LoadDemo(), Sequence, 0));
        using TemporaryFolder folder = new();
        string path = folder.File("scene.png");
        using (SKBitmap bitmap = new(ScenePicture.Side, ScenePicture.Side, SKColorType.Gray8, SKAlphaType.Opaque))
        {
            pixels.CopyTo(bitmap.GetPixelSpan());
            using SKData data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
            File.WriteAllBytes(path, data.ToArray());
        }

        using ImageFeatures source = ImageFeatures.Open([path], SceneLayout.PatchSide,
            new ImageSize(ScenePicture.Side, ScenePicture.Side));
        float[] features = new float[source.Grids[0].PatchCount * source.ChannelCount];
        source.Read(0, features);
        // Both round (v/255 − ½)/½ from single precision with few operations on values up to 1.
        Assert.That(ScenePicture.Features(pixels), Is.EqualTo(features).Within(1e-6));
        Assert.That(pixels.Min(), Is.EqualTo((byte)MathF.Round(ScenePicture.Black)), "black");
    }

    [Test]
    public void A_model_for_pictures_gives_the_tokens_of_the_trained_model()
    {
        TrainableModel model = ((ScopedModel)ArmList.Find(ArmList.Scopes).Create(3)).Model;
        byte[] pixels = ScenePicture.Draw(new Scene(GarmentSet.LoadDemo(), Sequence, 0));
        // The canvas that these pixels stand for, in the features of the experiment.
        float[] canvas = [.. pixels.Select(value => (((value / 127.5f) - 1) / ScenePicture.Contrast) + Scene.Mean)];
        float[] features = new float[pixels.Length];
        Scene.ToPatches(scale: 1, canvas, features);
        float[] expected = Tokens(model, features);
        float[] found = Tokens(DemoExport.ForPictures(model), ScenePicture.Features(pixels));
        // Rounding alone: sums of up to 64 products, through about ten layers; values are about 1.
        Assert.That(found, Is.EqualTo(expected).Within(1e-4));
        Assert.That(expected.Max(), Is.GreaterThan(0.1));
    }

    [Test]
    public void The_garments_are_20_of_each_class()
    {
        GarmentSet garments = GarmentSet.LoadDemo();
        Assert.That(Enumerable.Range(0, garments.Count).CountBy(garments.ClassOf),
            Is.EquivalentTo(Enumerable.Range(0, GarmentSet.ClassCount)
                .Select(garmentClass => KeyValuePair.Create(garmentClass, GarmentSet.DemoCountPerClass))));
        Assert.That(Enumerable.Range(0, garments.Count)
            .Select(garment => Convert.ToBase64String(garments.Pixels(garment))), Is.Unique);
    }

    [Test]
    public void Without_a_finished_run_there_is_nothing_to_export()
    {
        using TemporaryFolder folder = new();
        Experiment experiment = new(RunPlan.Quick, ArmList.All, folder.Path, _ => SyntheticGarments.Create(),
            TextWriter.Null);
        InvalidDataException problem = Assert.Throws<InvalidDataException>(() => DemoExport.WriteBest(experiment,
            folder.Path, SyntheticGarments.Create()))!;
        Assert.That(problem.Message, Does.Contain("expected the best model").And.Contain("--export-steps"));
    }

    private static float[] Tokens(TrainableModel model, float[] features)
    {
        using ResamplerModel open = model.ToModel();
        using Resampler resampler = Resampler.Load(open);
        return resampler.Resample(features, SceneLayout.Grid(scale: 1));
    }
}
