namespace PtxEmulator.Parsing;

/// <summary>Parses a PTX text.</summary>
internal sealed class ModuleParser
{
    private readonly TokenReader _reader;
    private readonly OperandParser _operands;
    private readonly DeclarationParser _declarations;
    private readonly Scope _scope = new(null);

    private ModuleParser(string ptx)
    {
        _reader = new TokenReader(ptx);
        _operands = new OperandParser(_reader);
        _declarations = new DeclarationParser(_reader, _operands);
    }

    /// <summary>The functions that have a body, by name.</summary>
    public Dictionary<string, Function> Functions { get; } = [];

    /// <summary>The version and the architectures that the module names.</summary>
    public ModuleTarget Target { get; } = new();

    public static ModuleParser Parse(string ptx)
    {
        var parser = new ModuleParser(ptx);
        if (!parser._reader.IsNext(".version"))
            throw parser._reader.Error("expected '.version'");
        while (!parser._reader.IsAtEnd)
            parser.ParseItem();
        return parser;
    }

    private void ParseItem()
    {
        bool isExternal = false;
        while (_reader.Peek.Text is ".visible" or ".extern" or ".weak" or ".common")
            isExternal |= _reader.Take().Text == ".extern";
        string directive = _reader.Peek.Text;
        switch (directive)
        {
            case ".address_size":
                _reader.Take();
                if (_reader.ExpectInteger() != 64)
                    throw _reader.Error("only '.address_size 64' is supported");
                return;
            case ".version" or ".target":
                _reader.Take();
                ParseTarget(directive == ".version");
                return;
            case ".file" or ".loc" or ".pragma":
                _reader.SkipStatement();
                return;
            case ".section":
                _reader.Take();
                _reader.ExpectWord();
                _reader.SkipGroup("{", "}");
                return;
            case ".entry" or ".func":
                _reader.Take();
                ParseFunction(directive == ".entry");
                return;
            default:
                if (!DeclarationParser.TryGetSpace(directive, out StateSpace space) || space == StateSpace.Parameter)
                    throw _reader.Error("expected a directive");
                _reader.Take();
                _declarations.ParseVariables(space, isExternal, _scope);
                return;
        }
    }

    /// <summary>Parses the words after <c>.version</c> or <c>.target</c>, up to the end of the line.</summary>
    private void ParseTarget(bool isVersion)
    {
        int line = _reader.Peek.Line;
        while (!_reader.IsAtEnd && _reader.Peek.Line == line && !_reader.Peek.Text.StartsWith('.'))
        {
            string word = _reader.Take().Text;
            if (isVersion && Version.TryParse(word, out Version? version))
                Target.Version = version;
            else if (!isVersion && word != ",")
                Target.Names.Add(word);
        }
    }

    private void ParseFunction(bool isEntry)
    {
        IReadOnlyList<Variable> results = _reader.IsNext("(") ? ParseParameters(isEntry) : [];
        string name = _reader.ExpectWord();
        IReadOnlyList<Variable> parameters = _reader.IsNext("(") ? ParseParameters(isEntry) : [];
        // Performance directives do not change the result of the function.
        while (!_reader.IsNext("{") && !_reader.IsNext(";"))
        {
            if (_reader.IsAtEnd)
                throw _reader.Error("expected a function's body");
            _reader.Take();
        }
        if (_reader.TryTake(";"))
            return;
        var function = new Function { Name = name, IsEntry = isEntry, Results = results, Parameters = parameters };
        var scope = new Scope(_scope);
        foreach (Variable variable in results.Concat(parameters))
            _declarations.Declare(scope, variable);
        new FunctionParser(_reader, _operands, _declarations, function).ParseBody(scope);
        if (!Functions.TryAdd(name, function))
            throw _reader.Error($"the function '{name}' is defined twice");
    }

    private List<Variable> ParseParameters(bool isEntry)
    {
        var parameters = new List<Variable>();
        _reader.Expect("(");
        while (!_reader.TryTake(")"))
        {
            if (parameters.Count > 0)
                _reader.Expect(",");
            parameters.Add(_declarations.ParseParameter(isEntry));
        }
        return parameters;
    }
}
