using MsResampler.Scenes;

namespace MsResampler.Cli.Demo;

/// <summary>An answer of the demo's model.</summary>
/// <param name="Question">The question, with the right answer.</param>
/// <param name="Answer">The answer of the model.</param>
/// <param name="Probability">The probability that the model gives it.</param>
/// <param name="Looks">Where each scope looks for this question, [scopes][N]: its attention as the mean over the
/// tokens, weighted by the reader's attention to each token and by the gate. All values together have the sum
/// 1.</param>
internal sealed record SceneAnswer(Question Question, int Answer, double Probability, float[][] Looks)
{
    public bool IsRight => Answer == Question.Answer;

    /// <summary>The share of a scope in the answer.</summary>
    public double ShareOf(int scope) => Looks[scope].Sum();
}
