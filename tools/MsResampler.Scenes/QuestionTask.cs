namespace MsResampler.Scenes;

/// <summary>A kind of question.</summary>
internal enum QuestionTask
{
    /// <summary>Which garment is in a cell?</summary>
    Local,

    /// <summary>How many garments of a class are in a quadrant?</summary>
    Region,

    /// <summary>Which class is the most frequent?</summary>
    Global,

    /// <summary>Do two cells contain the same class?</summary>
    Compare,

    /// <summary>Is the shoe in a cell mirrored, so that its toe points to the right?</summary>
    Detail,
}
