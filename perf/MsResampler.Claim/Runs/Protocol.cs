using System.Globalization;
using System.Text;
using MsResampler.Claim.Arms;
using MsResampler.Claim.Report;
using MsResampler.Files;
using MsResampler.Scenes;

namespace MsResampler.Claim.Runs;

/// <summary>The protocol of an experiment: what is measured and how, written before the final runs.</summary>
internal static class Protocol
{
    /// <summary>Writes the protocol if there is none.</summary>
    /// <exception cref="InvalidDataException">There is another one: the settings have changed since it was
    /// written.</exception>
    public static void Freeze(Experiment experiment)
    {
        string text = ToMarkdown(experiment);
        if (File.Exists(experiment.ProtocolPath))
        {
            if (File.ReadAllText(experiment.ProtocolPath) != text)
                throw new InvalidDataException($"{experiment.ProtocolPath}: expected the protocol of these settings, " +
                    "found another one. Final runs must all follow one protocol: name another folder with --out.");
            return;
        }

        using AtomicFile file = new(experiment.ProtocolPath);
        file.Stream.Write(Encoding.UTF8.GetBytes(text));
        file.Commit(default);
    }

    public static string ToMarkdown(Experiment experiment)
    {
        MarkdownText text = new();
        text.Heading(1, "Protocol");
        text.Paragraph("The experiment wrote this page before its final runs. It does not start a run that would " +
            "follow another protocol.");
        text.Heading(2, "Question");
        text.Paragraph("Do several scopes answer questions about a scene better than one global scope, with the same " +
            "number of tokens of the same size?");
        AddMeasures(text, experiment.Plan);
        AddData(text);
        AddArms(text, experiment);
        AddTraining(text, experiment.Plan);
        return text.ToString();
    }

    private static string Text(FormattableString text) => FormattableString.Invariant(text);

    private static void AddMeasures(MarkdownText text, RunPlan plan)
    {
        text.Heading(2, "Measures");
        text.Item("**Primary**: the mean accuracy over the five kinds of questions on scenes of test garments, " +
            "which no run has seen in training or in the choice of learning rates. An arm is compared with the " +
            $"baseline, and `{ArmList.Scopes}` with each arm, by the mean difference over seeds, with a bootstrap " +
            "interval of 95 % " +
            Text($"over the {plan.Seeds.Count} seeds (10,000 samples). An arm is called better or worse only if ") +
            "this interval and Student's, which is exact for normal differences, both exclude 0.");
        text.Item("Secondary: the accuracy of each kind; the same on a canvas of twice the size, with windows and " +
            "sigmas as fractions of the canvas and in patches; the same with weights rounded to float16 and to " +
            "bfloat16; the weights that the gate gives the scopes; where learned sigmas end; times.");
        text.Item("All finished runs count. There is no early stopping: the model after the last step is tested, " +
            "once.");
        text.Line();
    }

    private static void AddData(MarkdownText text)
    {
        text.Heading(2, "Data");
        text.Item("Fashion-MNIST with its own split. Scenes for training use the first 50,000 garments of its " +
            "training set, those for the choice of learning rates the last 10,000, those of the test its test set.");
        text.Item(Text($"A scene has {SceneLayout.CellsPerSide}×{SceneLayout.CellsPerSide} cells of ") +
            Text($"{SceneLayout.CellSide}×{SceneLayout.CellSide} pixels, some of them empty. Garments have 14×14 ") +
            "pixels, are shifted by up to one pixel, and are mirrored with probability ½. Stray strokes and noise " +
            "are added.");
        text.Item(Text($"Features are the pixels of {SceneLayout.PatchSide}×{SceneLayout.PatchSide} patches: ") +
            Text($"{SceneLayout.Grid(1)} patches of {SceneLayout.FeatureSize} values. There is no encoder."));
        text.Item($"Questions: *local*, the class in a cell ({Question.AnswerCount(QuestionTask.Local)} answers); " +
            $"*region*, how many garments of a class are in a quadrant " +
            $"({Question.AnswerCount(QuestionTask.Region)}); *global*, the most frequent class " +
            $"({Question.AnswerCount(QuestionTask.Global)}); *compare*, whether two cells have the same class " +
            $"({Question.AnswerCount(QuestionTask.Compare)}); *detail*, whether the shoe in a cell points to the " +
            $"left or to the right ({Question.AnswerCount(QuestionTask.Detail)}).");
        text.Line();
    }

    private static void AddArms(MarkdownText text, Experiment experiment)
    {
        text.Heading(2, "Arms");
        int readerParameters = new Reader(Arm.Queries.QueryCount, Arm.TokenSize, 0).Tensors.Sum(tensor => tensor.Count);
        text.Paragraph(Text($"Every arm turns a scene into {Arm.Queries.QueryCount} tokens ({Arm.Queries}) of ") +
            Text($"{Arm.TokenSize} values. The same reader answers from them: two looks at the tokens by attention ") +
            Text($"and a perceptron, {readerParameters:N0} parameters, with the same first weights in every arm. ") +
            "Parameters and multiply-adds of a scene are those of the arm without the reader. Heads have 16 channels.");
        text.Line("| arm | title | width | parameters | multiply-adds | learning rate |");
        text.Line("|---|---|--:|--:|--:|--:|");
        foreach (Arm arm in experiment.Arms)
            text.Line(Text($"| `{arm.Name}` | {arm.Title} | {arm.Width} | {arm.Cost.ParameterCount:N0} | ") +
                Text($"{arm.Cost.Work / 1e6:0.00} M | {experiment.ChosenRate(arm):0.####} |"));
        text.Line();
        foreach (Arm arm in experiment.Arms)
            text.Item($"`{arm.Name}`: {arm.Description}.");
        text.Line();
    }

    private static void AddTraining(MarkdownText text, RunPlan plan)
    {
        RunSettings settings = plan.Settings;
        text.Heading(2, "Training");
        text.Item(Text($"{settings.Steps} steps of {settings.ScenesPerStep} new scenes with ") +
            Text($"{settings.QuestionsPerTask} questions of each kind; the loss is the mean cross-entropy of the ") +
            "right answers. AdamW (decay " +
            Text($"{settings.WeightDecay}), gradients clipped to the norm {settings.GradientLimit}, ") +
            Text($"{settings.WarmupSteps} steps of warm-up, then a cosine to zero. Logarithms of sigmas have ") +
            Text($"{ScopedModel.SigmaRateFactor} times the learning rate."));
        text.Item(Text($"The learning rate of each arm is the best of {string.Join(", ", plan.Rates.Select(Rate))} ") +
            Text($"on the validation split, with one seed ({RunPlan.TuningSeed}) that is not used again, and ") +
            Text($"{plan.Tuning.Steps} steps. A rate at which training diverges counts as no right answer."));
        text.Item($"Final runs: seeds {string.Join(", ", plan.Seeds)}. A seed decides the first weights and the " +
            "scenes. Seeds below 10 were used while the experiment was built, in part on test garments, and are not " +
            "among those of the complete experiment. " +
            Text($"All arms see the same scenes in the same order, and are tested on the same {settings.TestScenes} ") +
            "scenes of the seed.");

        static string Rate(double rate) => rate.ToString(CultureInfo.InvariantCulture);
    }
}
