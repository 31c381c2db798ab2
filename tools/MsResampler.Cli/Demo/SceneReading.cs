using System.Numerics.Tensors;
using MsResampler.Scenes;

namespace MsResampler.Cli.Demo;

/// <summary>What the demo's model sees in a scene, and what it answers.</summary>
internal sealed class SceneReading
{
    private SceneReading(Scene scene, TokenView view, IReadOnlyList<SceneAnswer> answers)
        => (Scene, View, Answers) = (scene, view, answers);

    public Scene Scene { get; }

    /// <summary>The attention and the gate.</summary>
    public TokenView View { get; }

    /// <summary>One answer for each kind of question.</summary>
    public IReadOnlyList<SceneAnswer> Answers { get; }

    /// <summary>Computes the tokens of a scene's picture and asks one question of each kind.</summary>
    /// <param name="engine">The model.</param>
    /// <param name="reader">The network that answers from its tokens.</param>
    /// <param name="scene">The scene.</param>
    /// <param name="pixels">The picture of the scene.</param>
    /// <param name="cancellationToken">Stops the computation.</param>
    public static SceneReading Of(ITokenEngine engine, Reader reader, Scene scene, ReadOnlySpan<byte> pixels,
        CancellationToken cancellationToken)
    {
        FrameGroups group = new([SceneLayout.Grid(scale: 1)]);
        float[] features = ScenePicture.Features(pixels);
        ResamplerConfig config = engine.Config;
        float[] tokens = new float[config.QueryGrid.QueryCount * config.OutputSize];
        engine.Resample(features, group, tokens, cancellationToken);
        TokenView view = engine.Explain(features, group);
        Question[] questions = Question.Draw(scene, countPerTask: 1);
        reader.Ask(tokens, questions);
        return new SceneReading(scene, view, [.. questions.Select((question, index) => new SceneAnswer(question,
            reader.BestAnswer(index), Probability(reader, question, index), Looks(reader, question, index, view)))]);
    }

    private static double Probability(Reader reader, Question question, int index)
    {
        Span<float> probabilities = stackalloc float[Question.AnswerCount(question.Task)];
        TensorPrimitives.SoftMax(reader.Scores.Slice((index * Reader.AnswerCount)
            + Question.FirstAnswer(question.Task), probabilities.Length), probabilities);
        return TensorPrimitives.Max<float>(probabilities);
    }

    private static float[][] Looks(Reader reader, Question question, int index, TokenView view)
    {
        int tokenCount = view.Gate[0].Length;
        // The second look counts only where the question has a second cell.
        int heads = Reader.HeadCount * (question.OtherCell >= 0 ? Reader.LookCount : 1);
        float[][] looks = [.. view.Attention.Select(_ => new float[view.Grids[0].PatchCount])];
        for (int token = 0; token < tokenCount; token++)
        {
            float weight = 0;
            for (int head = 0; head < heads; head++)
                weight += reader.TokenWeights[(((index * Reader.LookCount * Reader.HeadCount) + head) * tokenCount)
                    + token] / heads;
            for (int scope = 0; scope < looks.Length; scope++)
                TensorPrimitives.MultiplyAdd(view.AttentionOf(token, scope, frame: 0).Span,
                    weight * view.Gate[scope][token], looks[scope], looks[scope]);
        }

        return looks;
    }
}
