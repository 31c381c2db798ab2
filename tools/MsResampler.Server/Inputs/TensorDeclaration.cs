using System.Globalization;
using MsResampler.Server.Hosting;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Inputs;

/// <summary>Checks name, type and shape of an input against the model and the limits of the server.</summary>
/// <param name="specs">The inputs of the model.</param>
/// <param name="settings">The limits.</param>
internal sealed class TensorDeclaration(IReadOnlyList<TensorSpec> specs, ServerSettings settings)
{
    // Every form of a request has at least two bytes per value: a digit and a comma in JSON, 16 bits as raw contents.
    private const int SmallestValueBytes = 2;

    // Raw contents are at most 2 GiB.
    private const int LargestCount = int.MaxValue / sizeof(float);

    /// <summary>Finds an input of the model.</summary>
    /// <exception cref="ServerException">There is none.</exception>
    public TensorSpec Find(string name)
        => specs.FirstOrDefault(spec => spec.Name == name) ?? throw new ServerException(ErrorKind.InvalidRequest,
            $"input {Quoted.Of(name)}: expected one of {Quoted.List(specs.Select(spec => spec.Name))}, the inputs of "
            + "the model");

    /// <summary>The type of an input.</summary>
    /// <exception cref="ServerException">The input does not have this type.</exception>
    public static Datatype CheckType(TensorSpec spec, string datatype)
        => Datatypes.Find(datatype) is { } type && spec.Datatypes.Contains(type) ? type
            : throw Invalid(spec, $"expected the datatype {Quoted.List(spec.Datatypes.Select(Datatypes.NameOf))}, "
                + $"found {Quoted.Of(datatype)}");

    /// <summary>The number of elements of an input.</summary>
    /// <exception cref="ServerException">The shape does not fit the model, or is too large.</exception>
    public int CheckShape(TensorSpec spec, ReadOnlySpan<long> extents)
    {
        bool fits = extents.Length == spec.Shape.Count;
        for (int axis = 0; fits && axis < extents.Length; axis++)
            fits = spec.Shape[axis] < 0 ? extents[axis] >= 0 : extents[axis] == spec.Shape[axis];
        if (!fits)
        {
            throw Invalid(spec, $"expected the shape {TextOf([.. spec.Shape])}, where -1 is any number, found "
                + TextOf(extents));
        }

        if (extents[0] == 0)
            throw Invalid(spec, $"expected at least one row, found the shape {TextOf(extents)}");
        if (spec.Name != TensorNames.Features && extents[0] > settings.MaxRequestImages)
        {
            throw TooLarge(spec, $"expected at most {settings.MaxRequestImages} images or frames in a request, found "
                + TextOf(extents));
        }

        Int128 count = 1;
        foreach (long extent in extents)
            count *= extent;
        if (count > Math.Min(LargestCount, (settings.MaxRequestBytes / SmallestValueBytes) + 1))
        {
            throw TooLarge(spec, $"expected a shape that fits in a request of {settings.MaxRequestBytes} bytes, found "
                + TextOf(extents));
        }

        return (int)count;
    }

    /// <summary>A shape in a message, as in "[4, 2]".</summary>
    public static string TextOf(ReadOnlySpan<long> extents)
    {
        const int LargestRank = 8;
        List<string> texts = [];
        foreach (long extent in extents[..Math.Min(extents.Length, LargestRank)])
            texts.Add(extent.ToString(CultureInfo.InvariantCulture));
        if (extents.Length > LargestRank)
            texts.Add("…");
        return $"[{string.Join(", ", texts)}]";
    }

    private static ServerException Invalid(TensorSpec spec, string message)
        => new(ErrorKind.InvalidRequest, $"input '{spec.Name}': {message}");

    private static ServerException TooLarge(TensorSpec spec, string message)
        => new(ErrorKind.TooLarge, $"input '{spec.Name}': {message}");
}
