using MsResampler.Cpu;

namespace MsResampler.Scenes;

/// <summary>Activations and gradients of a <see cref="Reader"/>.</summary>
internal sealed class ReaderMemory(int sceneCount, int questionCount, int tokenCount, int tokenSize)
{
    /// <summary>Width of the hidden layers of the perceptron.</summary>
    public const int HiddenWidth = 128;

    public int SceneCount => sceneCount;

    public int QuestionCount => questionCount;

    // Tokens.
    public AlignedBuffer Normal { get; } = new((long)sceneCount * tokenCount * tokenSize);
    public AlignedBuffer Scales { get; } = new((long)sceneCount * tokenCount);
    public AlignedBuffer Inputs { get; } = new((long)sceneCount * tokenCount * tokenSize);
    public AlignedBuffer InputGradients { get; } = new((long)sceneCount * tokenCount * tokenSize);
    public AlignedBuffer Keys { get; } = new((long)sceneCount * tokenCount * Reader.Width);
    public AlignedBuffer KeyGradients { get; } = new((long)sceneCount * tokenCount * Reader.Width);
    public AlignedBuffer Values { get; } = new((long)sceneCount * tokenCount * Reader.Width);
    public AlignedBuffer ValueGradients { get; } = new((long)sceneCount * tokenCount * Reader.Width);

    // Questions.
    public AlignedBuffer Codes { get; } = new((long)questionCount * Reader.LookCount * Reader.Width);
    public AlignedBuffer CodeGradients { get; } = new((long)questionCount * Reader.LookCount * Reader.Width);
    public AlignedBuffer Sums0 { get; } = new((long)questionCount * Reader.LookCount * Reader.Width);
    public AlignedBuffer Hidden0 { get; } = new((long)questionCount * Reader.LookCount * Reader.Width);
    public AlignedBuffer Hidden0Gradients { get; } = new((long)questionCount * Reader.LookCount * Reader.Width);
    public AlignedBuffer Queries { get; } = new((long)questionCount * Reader.LookCount * Reader.Width);
    public AlignedBuffer QueryGradients { get; } = new((long)questionCount * Reader.LookCount * Reader.Width);
    public AlignedBuffer Weights { get; } = new((long)questionCount * Reader.LookCount * Reader.HeadCount * tokenCount);

    /// <summary>What the perceptron gets: the two looks, their product and the first code, [questions,
    /// 4·width].</summary>
    public AlignedBuffer Read { get; } = new((long)questionCount * Reader.ReadWidth);
    public AlignedBuffer ReadGradients { get; } = new((long)questionCount * Reader.ReadWidth);
    public AlignedBuffer Sums1 { get; } = new((long)questionCount * HiddenWidth);
    public AlignedBuffer Hidden1 { get; } = new((long)questionCount * HiddenWidth);
    public AlignedBuffer Sums2 { get; } = new((long)questionCount * HiddenWidth);
    public AlignedBuffer Hidden2 { get; } = new((long)questionCount * HiddenWidth);
    public AlignedBuffer HiddenGradients { get; } = new((long)questionCount * HiddenWidth);
    public AlignedBuffer MoreHiddenGradients { get; } = new((long)questionCount * HiddenWidth);
    public AlignedBuffer Scores { get; } = new((long)questionCount * Reader.AnswerCount);
    public AlignedBuffer ScoreGradients { get; } = new((long)questionCount * Reader.AnswerCount);
}
